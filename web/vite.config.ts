import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// What is built is committed, so the same sources must give the same bytes: no time, no
// path and no version is in them. Addresses are relative, so that a server below a path
// of a proxy serves the same files.
export default defineConfig({
  base: "./",
  plugins: [react(), tailwindcss()],
  build: {
    outDir: "../internal/dashboard/dist",
    emptyOutDir: true,
    assetsInlineLimit: 0, // the policy allows no data: for fonts and scripts
    modulePreload: { polyfill: false },
    target: "es2022",
    sourcemap: false,
    reportCompressedSize: true,
  },
});
