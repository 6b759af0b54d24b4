// The courier's app, and what the service's pages share: sign-in, icon.
import { icons, iconRows } from "../shared/icon.mjs";

const manifest = {
  id: "/", name: "Doorward courier", short_name: "Doorward", start_url: "/", scope: "/", display: "standalone",
  background_color: "#f6f1e8", theme_color: "#f6f1e8", orientation: "portrait",
  icons,
};

export default {
  areas: ["shared", "stop", "courier"],
  files: [
    { path: "/index.html", page: "courier/index.html" },
    { path: "/courier.js", entry: "courier/main.tsx" },
    { path: "/courier.css", css: ["shared/tokens.css", "shared/stop.css", "courier/courier.css"] },
    { path: "/scan.worker.js", entry: "courier/scan.worker.ts" },
    { path: "/zxing_reader.wasm", file: "node_modules/zxing-wasm/dist/reader/zxing_reader.wasm" },
    { path: "/sw.js", entry: "courier/sw.ts", open: true },
    { path: "/push-1.svg", file: "shared/push-1.svg" },
    { path: "/push-2.svg", file: "shared/push-2.svg" },
    { path: "/push-3.svg", file: "shared/push-3.svg" },
    { path: "/signin.html", page: "shared/signin.html", open: true },
    { path: "/signin.js", entry: "courier/signin.tsx", open: true },
    { path: "/signin.css", css: ["shared/tokens.css", "shared/ui.css", "shared/signin.css"], open: true },
    ...iconRows,
    { path: "/manifest.webmanifest", text: JSON.stringify(manifest), open: true },
  ],
};
