// The household's app, served by the hub.
import { icons, iconRows } from "../shared/icon.mjs";

const manifest = {
  id: "/", name: "Doorward", short_name: "Doorward", start_url: "/", scope: "/", display: "standalone", background_color: "#f6f1e8", theme_color: "#f6f1e8",
  icons,
};

// A guest's page: open files, they hold nothing; what a guest may is asked of the API.
const GUEST = { open: true, areas: ["shared", "stop", "guest"] };

export default {
  areas: ["shared", "live", "household", "alerts"],
  files: [
    { path: "/index.html", page: "household/index.html" },
    { path: "/home.js", entry: "household/main.tsx" },
    { path: "/home.css", css: ["shared/tokens.css", "shared/ui.css", "live/live.css", "household/household.css"] },
    { path: "/live-worker.js", entry: "live/worker.ts" },
    { path: "/signin.html", page: "shared/signin.html", open: true },
    { path: "/join.html", page: "shared/signin.html", open: true },
    { path: "/signin.js", entry: "household/signin.tsx", open: true },
    { path: "/signin.css", css: ["shared/tokens.css", "shared/ui.css", "shared/signin.css"], open: true },
    { path: "/guest.html", page: "guest/index.html", ...GUEST },
    { path: "/guest.js", entry: "guest/main.tsx", ...GUEST },
    { path: "/guest.css", css: ["shared/tokens.css", "shared/ui.css", "shared/stop.css", "guest/guest.css"], open: true },
    ...[1, 2, 3].map((n) => ({ path: `/push-${n}.svg`, file: `shared/push-${n}.svg`, open: true })),
    { path: "/sw.js", entry: "household/sw.ts", open: true },
    ...iconRows,
    { path: "/manifest.webmanifest", text: JSON.stringify(manifest), open: true },
  ],
};
