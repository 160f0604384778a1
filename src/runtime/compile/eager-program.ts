import * as tf from '@tensorflow/tfjs';
import { checkInputs, inputTensors } from './inputs.ts';
import type { TypedArray } from './native.ts';
import { useOutputs } from './outputs.ts';
import type { InputValue, Program, Step, StepDefinition, StepDefinitions, StepOutputs } from './step.ts';

/** The steps as they are, run op by op on the active tfjs backend, behind the interface of a compiled program. */
export function createEagerProgram<D extends StepDefinitions>(definitions: D): Program<D> {
  const steps = Object.fromEntries(
    Object.entries(definitions).map(([name, definition]) => [name, createStep(name, definition)]),
  );
  return {
    compiled: false,
    steps: steps as unknown as Program<D>['steps'],
    // Values are in the tf.Variables all the time.
    variables: [],
    pull() {},
    push() {},
    dispose() {},
  };
}

function createStep(name: string, { inputs: inputSpecs, fn }: StepDefinition): Step {
  const specs = Object.entries(inputSpecs);
  const run = (values: Readonly<Record<string, InputValue>>): StepOutputs => {
    const inputs = checkInputs(name, specs, values);
    return tf.tidy(() =>
      useOutputs(name, fn, inputTensors(specs, inputs), (outputs) =>
        Object.fromEntries(outputs.map(({ name: output, tensor, isOwn }) => [output, isOwn ? tensor : tensor.clone()])),
      ),
    );
  };
  return {
    run,
    values(inputs) {
      const outputs = run(inputs);
      const values = Object.fromEntries(
        Object.entries(outputs).map(([output, tensor]) => [output, tensor.dataSync() as TypedArray]),
      );
      tf.dispose(outputs);
      return values;
    },
  };
}
