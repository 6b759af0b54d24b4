// The page that was before the household's app: the live view alone.
export default {
  areas: ["live"],
  files: [
    { path: "/index.html", page: "watch/index.html" },
    { path: "/watch.js", entry: "watch/main.ts" },
    { path: "/worker.js", entry: "watch/worker.ts" },
    { path: "/watch.css", css: ["shared/tokens.css", "watch/watch.css"] },
    { path: "/icon.svg", file: "watch/icon.svg", open: true },
  ],
};
