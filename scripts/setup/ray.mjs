// Makes Ray's environment, where it is missing, and prints its Python: what `npm run ray` and Ray's tests ask for. The
// rest of set-up is left as it is.
import { addEnvironment } from './command-line.mjs';

await addEnvironment('ray');
