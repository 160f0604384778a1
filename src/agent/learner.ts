import type { State, StoredTensors } from '../runs/trainable.ts';
import { assignVariables, type VariablesByName, variableTensors } from '../runs/variables.ts';
import { compile, type Precision, type Program, type StepDefinitions } from '../runtime/compile/index.ts';

/** The steps of an agent that compute with tensors, and the variables that they change. */
export interface Learner<D extends StepDefinitions> {
  readonly steps: Program<D>['steps'];
  /** Brings the variables' values from the graph into the tf.Variables. */
  pull(): void;
  /** Takes the tf.Variables' values over into the graph, after they were changed outside the steps. */
  push(): void;
  /** What a checkpoint holds: the values of the variables, brought from the graph. */
  getState(): State;
  /** @throws StateError for a state of other variables. */
  setState(state: Pick<State<StoredTensors>, 'tensors'>): void;
  /** Frees the graph and what `dispose` of the options frees. */
  dispose(): void;
}

/**
 * Compiles the steps of an agent, and keeps the state of their variables.
 * @param definitions Steps made with `defineStep`.
 * @param options The variables, how precisely products are computed, and what the learner owns.
 * @param options.variables Everything that the steps change, under the names that a checkpoint has for it.
 * @param options.owned Is disposed with the learner: networks, an optimizer.
 */
export function createLearner<const D extends StepDefinitions>(
  definitions: D,
  {
    variables,
    precision,
    owned,
  }: { variables: VariablesByName; precision: Precision; owned: readonly { dispose(): unknown }[] },
): Learner<D> {
  const program = compile(definitions, { precision });
  return {
    steps: program.steps,
    pull: () => program.pull(),
    push: () => program.push(),
    getState() {
      program.pull();
      return { values: {}, tensors: variableTensors(variables) };
    },
    setState({ tensors }) {
      assignVariables(variables, tensors);
      program.push();
    },
    dispose() {
      program.dispose();
      for (const part of owned) part.dispose();
    },
  };
}
