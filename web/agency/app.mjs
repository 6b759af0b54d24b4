// The agency's board.
export default {
  areas: ["shared", "agency", "courier"],
  files: [
    { path: "/agency.html", page: "agency/index.html" },
    { path: "/agency.js", entry: "agency/main.tsx" },
    { path: "/agency.css", css: ["shared/tokens.css", "shared/ui.css", "agency/agency.css"] },
  ],
};
