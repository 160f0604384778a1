export { listRunFolders } from './run-index.ts';
export { startViewer, type Viewer, type ViewerOptions } from './server.ts';
