// An icicle of one profile: callers above, what they call below, widths by samples. A click
// or Enter zooms into a function, Escape (or the top row) out again.
"use strict";

const ROW = 20, DEEPEST = 40;

// What the codec calls is its own: copying and allocating too.
function colour(name, inCodec) {
  if (inCodec) return "fill-engine";
  if (/epoll|poll/.test(name)) return "fill-wait";
  if (/send|recv|read|write|nng|futex|mutex|lock|cond_/.test(name)) return "fill-io";
  return "fill-other";
}

function draw(box) {
  const root = JSON.parse(box.querySelector("script").textContent);
  const canvas = box.querySelector(".canvas"), told = box.querySelector(".told");
  const total = root[1] || 1;

  function isCodec(path) {
    return path.some((node) => node[0] === "codec_run" || node[0] === "jobs_inline_run");
  }

  function words(node) {
    return `${node[0]}: ${node[1]} of ${total} samples, ${(node[1] / total * 100).toFixed(1)} %`;
  }

  function show(path) {
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
      cell.addEventListener("click", () => show(depth < path.length ? path.slice(0, depth + 1) : trail));
      canvas.append(cell);
    };
    // The way to what is zoomed into, each in full width.
    path.forEach((node, depth) => add(node, depth, 0, 1, path.slice(0, depth + 1)));
    const below = (node, depth, left, width, trail) => {
      for (const child of node[2]) {
        const part = child[1] / node[1] * width;
        add(child, depth, left, part, [...trail, child]);
        if (part >= 0.0015 && depth < DEEPEST) below(child, depth + 1, left, part, [...trail, child]);
        left += part;
      }
    };
    const top = path.at(-1);
    below(top, path.length, 0, 1, path);
    canvas.style.height = (deepest + 1) * ROW + "px";
    told.textContent = words(top);
  }
  box.addEventListener("keydown", (event) => { if (event.key === "Escape") show([root]); });
  show([root]);
}

for (const box of document.querySelectorAll(".icicle")) draw(box);
