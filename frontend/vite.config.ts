/**
 * Two builds with fixed file names. `vite build` makes what the service serves under /static: theme.js, which runs
 * before the first paint, app.js and app.css. `vite build --mode report` makes report.js and report.css, which
 * report/html.py writes into one-file reports. Each script is complete in itself: nothing is loaded later.
 */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const built = "../src/pcap_analyzer";

export default defineConfig(({ mode }) => {
  const isReport = mode === "report";
  return {
    publicDir: isReport ? false : at("public"),
    build: {
      outDir: at(isReport ? `${built}/report/static` : `${built}/web/static`),
      // The stamp of `make` stands in there and must survive a build.
      emptyOutDir: false,
      target: "es2022",
      // The first versions with light-dark(): the style sheet is served as it is written.
      cssTarget: ["chrome123", "firefox120", "safari17.5"],
      assetsInlineLimit: 0,
      modulePreload: false,
      rollupOptions: {
        input: isReport ? { report: at("src/report.ts") } : { theme: at("src/theme.ts"), app: at("src/app.ts") },
        output: {
          entryFileNames: "[name].js",
          chunkFileNames: "[name].js",
          assetFileNames: "[name][extname]",
        },
      },
    },
  };
});
