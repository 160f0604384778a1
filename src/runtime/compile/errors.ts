/** Each message names the function, the op and what to do. */

export class CompileError extends Error {
  override readonly name: string = 'CompileError';
}

export function readInsideStep(step: string, tensor: string): CompileError {
  return new CompileError(
    `"${step}" reads a value inside the step (${tensor}): a compiled step has no values while it is recorded. ` +
      'Return the tensor as an output and read it from the result, or choose with tf.where instead of an if.',
  );
}

export function randomInsideStep(step: string, op: string): CompileError {
  return new CompileError(
    `"${step}" draws JavaScript noise (${op}): a compiled step would repeat the same numbers for ever. ` +
      'Pass the noise as an input, and build layers before compiling.',
  );
}

export function valueDependentShape(step: string, op: string): CompileError {
  return new CompileError(
    `"${step}" uses ${op}, whose output shape depends on values: shapes of a compiled step are fixed. ` +
      'Keep the full shape and mask with tf.where or a multiplication.',
  );
}

export function unrecordableAttribute(step: string, op: string, attribute: string, value: unknown): CompileError {
  return new CompileError(
    `"${step}" uses ${op}, whose attribute ${attribute} cannot be recorded (its value is ${String(value)}): ` +
      'write this part of the step with other ops.',
  );
}

export function unrecordableType(step: string, op: string, dtype: number | string): CompileError {
  return new CompileError(
    `"${step}" uses ${op} with a tensor of type ${dtype}, which a compiled step cannot hold: ` +
      'use float32, int32 or bool tensors only, and keep strings and resources outside.',
  );
}

export function variableCreatedInside(step: string, variable: string): CompileError {
  return new CompileError(
    `"${step}" creates the variable "${variable}": create variables, layers and optimizers before compiling, and ` +
      'only use them in the step.',
  );
}

export function variableDisposedInside(step: string, variable: string): CompileError {
  return new CompileError(`"${step}" disposes the variable "${variable}": dispose variables outside the step.`);
}

export function asynchronousStep(step: string): CompileError {
  return new CompileError(
    `"${step}" is asynchronous: a compiled step is a plain function; await its inputs before calling it.`,
  );
}

export function notATensor(step: string, output: string | undefined, value: unknown): CompileError {
  const what = output === undefined ? `The result of "${step}"` : `Output "${output}" of "${step}"`;
  return new CompileError(`${what} is ${describe(value)}: return an object of named tensors, or nothing.`);
}

export function nestedCompilation(step: string): CompileError {
  return new CompileError(
    `"${step}" is compiled or run inside another compiled step: call the plain function there instead.`,
  );
}

/** @throws CompileError for a name that cannot be a part of a graph node's. */
export function checkName(kind: 'Step' | 'Input' | 'Output', name: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name)) return;
  throw new CompileError(`${kind} name "${name}": use letters, digits, "_", "-" and ".", a letter or digit first.`);
}

/** TensorFlow's refusal of a graph, with the op of the node that it names. */
export function refusedGraph(message: string, opOfNode: ReadonlyMap<string, string>): CompileError {
  // Its messages name nodes in several ways: "{{node a/Mean_2}}", "of node a/Mean_2 was passed", "node 'a/Mean_2'".
  const node = message.match(/[A-Za-z0-9][\w./-]*/g)?.find((word) => opOfNode.has(word));
  const op = node === undefined ? undefined : opOfNode.get(node);
  const where = op === undefined ? 'the graph' : `op ${op} of "${node!.split('/')[0]}"`;
  return new CompileError(
    `TensorFlow refuses ${where}: its attributes as tfjs gives them do not make a graph. Write this part of the ` +
      `step with other ops. (${message})`,
  );
}

export function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return `a ${value.constructor?.name ?? 'plain object'}`;
  return typeof value === 'number' ? String(value) : typeof value;
}
