import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

const page = (name: string) => new URL(name, import.meta.url).pathname;

export default defineConfig({
  plugins: [svelte()],
  clearScreen: false,
  build: {
    target: "es2022",
    // The pages come out of the program itself: inlining buys nothing, and the content policy stays simple.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { input: { main: page("index.html"), ring: page("ring.html") } },
  },
});
