import { type Answer, type Net, output } from "./net";

/**
 * A net for any number of pictures, made of one that takes exactly `batch`: it is called as often as it takes, the
 * last time with black pictures to fill up.
 */
export function anyNumber(net: Net, batch: number): Net {
  return (pixels, [count, ...size]) => {
    const each = pixels.length / count;
    const answers: Readonly<Record<string, Answer>>[] = [];
    for (let start = 0; start < count; start += batch) {
      const portion = new Float32Array(batch * each);
      portion.set(pixels.subarray(start * each, (start + batch) * each));
      answers.push(net(portion, [batch, ...size]));
    }
    const names = Object.keys(answers[0] ?? {});
    return Object.fromEntries(names.map((name) => [name, joined(answers.map((answer) => output(answer, name)), count)]));
  };
}

/** The first `count` rows of all portions. */
function joined(portions: readonly Answer[], count: number): Answer {
  const [rows = 1, ...row] = portions[0]?.shape ?? [];
  const each = (portions[0]?.data.length ?? 0) / rows;
  const data = new Float32Array(portions.length * rows * each);
  portions.forEach((portion, index) => data.set(portion.data, index * rows * each));
  return { data: data.subarray(0, count * each), shape: [count, ...row] };
}
