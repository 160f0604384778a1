// The page as files that need nothing but themselves: `npm run setup` builds them.
export default {
  root: import.meta.dirname,
  base: './',
  build: {
    outDir: '../../../dist/viewer',
    emptyOutDir: true,
    // The policy of the server lets the page take nothing from inside its own text.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: 'licenses.md' },
    reportCompressedSize: false,
  },
};
