// Installs MinAtar's games into the project's `.venv`, where they are missing: what a run asks for whose environment is
// one of them. The rest of set-up is left as it is.
import { addMinAtar } from './command-line.mjs';

await addMinAtar();
