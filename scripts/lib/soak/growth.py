"""Does a figure grow? A robust slope (Theil-Sen) with a noise band from Mann-Kendall's test.

The slope is the median of the slopes between all pairs of points, so single outliers do not
move it. Neighbouring samples of memory resemble each other, and a test that takes them as
independent sees growth in every slow wave. So the variance is widened by the residuals'
autocorrelation: a step that comes once is no growth, a line that goes on is.
"""
import math
import statistics

BINS = 100   # a series is reduced to about so many medians
SIGMAS = 3.3  # two-sided 99.9 %: some forty series are judged at once


def reduced(points, bins=BINS):
    """Medians of (time, value) points over equal stretches of time."""
    if len(points) <= bins:
        return list(points)
    start, end = points[0][0], points[-1][0]
    wide, cells = (end - start) / bins, {}
    for time, value in points:
        cells.setdefault(min(bins - 1, int((time - start) / wide)), []).append((time, value))
    return [(statistics.median(time for time, _ in cell), statistics.median(value for _, value in cell))
            for _, cell in sorted(cells.items())]


def autocorrelation(values):
    """Of neighbours; 0 where the values do not vary."""
    mean = statistics.fmean(values)
    spread = sum((value - mean) ** 2 for value in values)
    if spread == 0:
        return 0.0
    return sum((a - mean) * (b - mean) for a, b in zip(values, values[1:])) / spread


def rank_variance(values):
    """The variance of Mann-Kendall's statistic, ties counted."""
    count = len(values)
    ties = {}
    for value in values:
        ties[value] = ties.get(value, 0) + 1
    return (count * (count - 1) * (2 * count + 5)
            - sum(n * (n - 1) * (2 * n + 5) for n in ties.values())) / 18


def slope_band(points):
    """(slope, lowest, highest) of (time, value) points, in values per second."""
    points = reduced(points)
    slopes = sorted((later - earlier) / (end - start)
                    for at, (start, earlier) in enumerate(points)
                    for end, later in points[at + 1:] if end > start)
    if not slopes:
        return 0.0, 0.0, 0.0
    slope = statistics.median(slopes)
    alike = autocorrelation([value - slope * time for time, value in points])
    alike = min(max(alike, 0.0), 0.98)
    width = SIGMAS * math.sqrt(rank_variance([value for _, value in points]) * (1 + alike) / (1 - alike))
    low = int((len(slopes) - width) / 2)
    high = len(slopes) - 1 - low
    if low < 0:
        return slope, slopes[0], slopes[-1]
    return slope, slopes[low], slopes[high]


class Growth:
    """What a series grew by over the time that it was watched. floor: less than that per
    hour means nothing, because the kernel counts in pages and in batches."""

    def __init__(self, name, unit, points, floor):
        self.name, self.unit, self.floor = name, unit, floor
        self.first = points[0][1] if points else 0
        self.last = points[-1][1] if points else 0
        self.median = statistics.median(value for _, value in points) if points else 0
        slope, low, high = slope_band(points)
        self.per_hour, self.low, self.high = slope * 3600, low * 3600, high * 3600

    def grows(self):
        """True where even the lowest slope of the band is growth, and more than the floor."""
        return self.low > 0 and self.per_hour > self.floor
