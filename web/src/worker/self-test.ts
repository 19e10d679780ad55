import type { Contract, Golden, Precision } from "../contract";
import { output } from "../vision/net";
import type { Model } from "./model";
import type { ModelTest, SelfTest } from "./protocol";

/**
 * By how much a probability may differ from torch's. In float32 only the order of sums differs;
 * rounded weights move the answers themselves, and a graphics chip may compute in half precision.
 */
const TOLERANCE: Readonly<Record<Precision, number>> = { float32: 1e-3, float16: 1e-2, uint8: 1e-1 };
/** The output that is held to it; every model has one of this name. */
const COMPARED = "probabilities";

/** Replay the golden pictures of all models. It fails too when there are none: then nothing was shown. */
export function selfTest(models: Readonly<Record<string, Model>>): SelfTest {
  const tests = Object.entries(models).map(([name, model]) => testModel(name, model));
  return {
    ok: tests.every(({ ok }) => ok),
    maxAbs: Math.max(...tests.map(({ maxAbs }) => maxAbs)),
    samples: tests.reduce((sum, { samples }) => sum + samples, 0),
    models: tests,
  };
}

function testModel(name: string, { contract, run }: Model): ModelTest {
  const differences = contract.golden.map((golden) => difference(golden, contract, run));
  const maxAbs = Math.max(0, ...differences);
  const tolerance = TOLERANCE[contract.weights_dtype];
  return { model: name, ok: differences.length > 0 && maxAbs <= tolerance, maxAbs, samples: differences.length, tolerance };
}

function difference(golden: Golden, contract: Contract, run: Model["run"]): number {
  const pixels = Float32Array.from(atob(golden.pixels), (character) => character.charCodeAt(0));
  const { data } = output(run(pixels, [1, golden.height, golden.width, contract.input.channels]), COMPARED);
  const wanted = golden.outputs[COMPARED];
  if (!wanted || wanted.length !== data.length) return Infinity;
  let largest = 0;
  for (let index = 0; index < wanted.length; index++) {
    const distance = Math.abs(data[index]! - wanted[index]!);
    // NaN fails every comparison, and must not pass for zero.
    if (!(distance <= largest)) largest = Number.isNaN(distance) ? Infinity : distance;
  }
  return largest;
}
