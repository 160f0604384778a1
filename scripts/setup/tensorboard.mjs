// Makes the environment of TensorBoard's viewer, where it is missing, and prints its Python: what `npm run tensorboard`
// asks for. The rest of set-up is left as it is.
import { addEnvironment } from './command-line.mjs';

await addEnvironment('tensorboard');
