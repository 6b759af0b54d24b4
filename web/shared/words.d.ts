// Given by web/strings.mjs while bundling.
declare module "doorward:strings" {
  const words: Record<string, Record<string, string>>;
  export default words;
}
