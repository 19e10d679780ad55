import type { Contract, Golden, Tolerance } from "../contract";
import type { Model } from "./model";
import type { ModelTest, OutputTest, SelfTest } from "./protocol";

/** Outputs with one value for each label, whose largest must be at the same label; as in fer_export/contract. */
const BY_LABEL: readonly string[] = ["probabilities", "logits"];

/** A model's outputs, or the expected ones, for one golden picture: flat, by the outputs' names. */
type Answers = Readonly<Record<string, ArrayLike<number>>>;

/** Run the golden pictures of all models and compare. With no golden picture the test fails, since nothing was shown. */
export function selfTest(models: Readonly<Record<string, Model>>): SelfTest {
  const tests = Object.entries(models).map(([name, model]) => testModel(name, model));
  return {
    ok: tests.every(({ ok }) => ok),
    maxAbs: Math.max(...tests.map(({ maxAbs }) => maxAbs)),
    samples: tests.reduce((sum, { samples }) => sum + samples, 0),
    models: tests,
  };
}

function testModel(model: string, { contract, run }: Model): ModelTest {
  const { golden } = contract;
  const answers = golden.map((picture) => replay(picture, contract, run));
  const outputs = contract.outputs.map(({ name }) => testOutput(name, golden, answers, contract));
  return {
    model,
    ok: golden.length > 0 && outputs.every(({ ok }) => ok),
    maxAbs: Math.max(0, ...outputs.map(({ maxAbs }) => maxAbs)),
    samples: golden.length,
    outputs,
  };
}

function replay({ pixels, height, width }: Golden, { inputs }: Contract, run: Model["run"]): Answers {
  const [input] = inputs;
  if (input?.kind !== "picture") return {};
  const values = Float32Array.from(atob(pixels), (character) => character.charCodeAt(0));
  const answer = run(values, [1, height, width, input.channels]);
  return Object.fromEntries(Object.entries(answer).map(([name, { data }]) => [name, data]));
}

function testOutput(output: string, golden: readonly Golden[], answers: readonly Answers[], contract: Contract): OutputTest {
  const pairs = golden.map(({ outputs }, index) => [outputs[output] ?? [], answers[index]?.[output] ?? []] as const);
  const maxAbs = Math.max(0, ...pairs.map(([wanted, got]) => largestDifference(wanted, got)));
  const limit = limitFor(pairs.map(([wanted]) => wanted), contract.tolerance);
  const labelled = contract.labels.length > 0 && BY_LABEL.includes(output);
  const top1 = labelled ? pairs.filter(([wanted, got]) => top(wanted) === top(got)).length / pairs.length : null;
  return { output, ok: maxAbs <= limit && (top1 === null || top1 >= contract.tolerance.top1), maxAbs, limit, top1 };
}

/** The largest difference that the contract allows: `value` · max(1, largest |expected value| / `unit`). */
function limitFor(wanted: readonly (readonly number[])[], { value, unit }: Tolerance): number {
  const largest = Math.max(0, ...wanted.map((values) => values.reduce((most, next) => Math.max(most, Math.abs(next)), 0)));
  return value * Math.max(1, largest / unit);
}

/** @returns `Infinity` where a value is NaN, missing or surplus, or where there was no value to compare. */
function largestDifference(wanted: readonly number[], got: ArrayLike<number>): number {
  if (wanted.length === 0 || wanted.length !== got.length) return Infinity;
  return wanted.reduce((largest, value, index) => {
    const distance = Math.abs(got[index]! - value);
    return Number.isNaN(distance) ? Infinity : Math.max(largest, distance);
  }, 0);
}

function top(values: ArrayLike<number>): number {
  return Array.from(values).reduce((best, value, index) => (value > values[best]! ? index : best), 0);
}
