// An icicle of one profile: callers above, what they call below, widths by samples. It begins
// where the calls part: what all samples have in common stands above it in one line. A click
// or Enter zooms into a function, Escape (or that line) out again.
"use strict";

const ROW = 20, DEEPEST = 40, NEARLY_ALL = 0.98;

// What the codec calls is its own: copying and allocating too.
function colour(name, inCodec) {
  if (inCodec) return "fill-engine";
  if (/epoll|poll/.test(name)) return "fill-wait";
  if (/send|recv|read|write|nng|futex|mutex|lock|cond_/.test(name)) return "fill-io";
  return "fill-other";
}

function draw(box) {
  const root = JSON.parse(box.querySelector("script").textContent);
  const crumbs = box.querySelector(".crumbs"), canvas = box.querySelector(".canvas"), told = box.querySelector(".told");
  const total = root[1] || 1;

  function isCodec(path) {
    return path.some((node) => node[0] === "codec_run" || node[0] === "jobs_inline_run");
  }

  function words(node) {
    return `${node[0]}: ${node[1]} of ${total} samples, ${(node[1] / total * 100).toFixed(1)} %`;
  }

  // Goes on from there as long as one call has nearly all samples.
  function untilTheyPart(path) {
    const next = path.at(-1)[2].find((child) => child[1] >= NEARLY_ALL * path.at(-1)[1]);
    return next && next[2].length ? untilTheyPart([...path, next]) : path;
  }

  function showWay(path) {
    crumbs.replaceChildren();
    path.slice(0, -1).forEach((node, depth) => {
      const crumb = document.createElement("button");
      crumb.type = "button";
      crumb.textContent = node[0];
      crumb.addEventListener("click", () => show(path.slice(0, depth + 1)));
      crumbs.append(crumb, " › ");
    });
  }

  function show(path) {
    showWay(path);
    canvas.replaceChildren();
    let deepest = 0;
    const add = (node, depth, left, width, trail) => {
      if (width < 0.0015 || depth > DEEPEST) return;
      deepest = Math.max(deepest, depth);
      const cell = document.createElement("button");
      cell.type = "button";
      cell.className = colour(node[0], isCodec(trail));
      cell.style.left = left * 100 + "%";
      cell.style.width = width * 100 + "%";
      cell.style.top = depth * ROW + "px";
      cell.title = words(node);
      cell.setAttribute("aria-label", words(node));
      cell.textContent = width > 0.04 ? node[0] : "";
      cell.tabIndex = width > 0.04 ? 0 : -1;
      cell.addEventListener("mouseenter", () => { told.textContent = words(node); });
      cell.addEventListener("focus", () => { told.textContent = words(node); });
      cell.addEventListener("click", () => show(trail));
      canvas.append(cell);
    };
    add(path.at(-1), 0, 0, 1, path);
    const below = (node, depth, left, width, trail) => {
      for (const child of node[2]) {
        const part = child[1] / node[1] * width;
        add(child, depth, left, part, [...trail, child]);
        if (part >= 0.0015 && depth < DEEPEST) below(child, depth + 1, left, part, [...trail, child]);
        left += part;
      }
    };
    const top = path.at(-1);
    below(top, 1, 0, 1, path);
    canvas.style.height = (deepest + 1) * ROW + "px";
    told.textContent = words(top);
  }
  box.addEventListener("keydown", (event) => { if (event.key === "Escape") show(untilTheyPart([root])); });
  show(untilTheyPart([root]));
}

for (const box of document.querySelectorAll(".icicle")) draw(box);
