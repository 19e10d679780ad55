// The contenders of `make bench-web`, each in a frame of its own, since two copies of TF.js in one document share their
// engine. Each has the scripts that it needs, `start`, and `look`, which reads one picture.

const WASM = "/node_modules/@tensorflow/tfjs-backend-wasm/dist/";

/** What each is asked for: faces and their expressions, and nothing that is not needed for that. */
const HUMAN = {
  backend: "wasm",
  wasmPath: WASM,
  modelBasePath: "/node_modules/@vladmandic/human/models/",
  warmup: "none",
  debug: false,
  filter: { enabled: false },
  gesture: { enabled: false },
  body: { enabled: false },
  hand: { enabled: false },
  object: { enabled: false },
  segmentation: { enabled: false },
  face: {
    enabled: true,
    detector: { maxDetected: 20 },
    mesh: { enabled: false },
    iris: { enabled: false },
    description: { enabled: false },
    emotion: { enabled: true },
  },
};

/** Human keeps results from frame to frame where little changed; for a picture by itself it must not. */
const AFRESH = { cacheSensitivity: 0 };

let human = null;
let canvas = null;

const CONTENDERS = {
  ours: {
    scripts: ["models.js", "dist/ours.js"],
    start: () => ferBench.start(),
    look: (bitmap, time, alone) => ferBench.look(bitmap, time, alone).faces,
  },
  human: {
    scripts: ["node_modules/@vladmandic/human/dist/human.js"],
    async start() {
      human = new Human.Human(HUMAN);
      await human.load();
      if (human.tf.getBackend() !== "wasm") throw new Error(`human runs on ${human.tf.getBackend()}`);
    },
    look: async (bitmap, _, alone) => (await human.detect(bitmap, alone ? AFRESH : { cacheSensitivity: 0.7 })).face.length,
  },
  "face-api": {
    scripts: ["node_modules/@vladmandic/face-api/dist/face-api.js"],
    async start() {
      faceapi.tf.setWasmPaths(WASM);
      await faceapi.tf.setBackend("wasm");
      await faceapi.tf.ready();
      if (faceapi.tf.getBackend() !== "wasm") throw new Error(`face-api runs on ${faceapi.tf.getBackend()}`);
      const models = "/node_modules/@vladmandic/face-api/model/";
      await faceapi.nets.tinyFaceDetector.loadFromUri(models);
      await faceapi.nets.faceExpressionNet.loadFromUri(models);
    },
    async look(bitmap) {
      canvas ??= document.createElement("canvas");
      Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
      canvas.getContext("2d", { willReadFrequently: true }).drawImage(bitmap, 0, 0);
      const options = new faceapi.TinyFaceDetectorOptions({ inputSize: 416 });
      return (await faceapi.detectAllFaces(canvas, options).withFaceExpressions()).length;
    },
  },
};

globalThis.start = async (name) => {
  for (const source of CONTENDERS[name].scripts) await run(source);
  await CONTENDERS[name].start();
};

function run(source) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = source;
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${source} could not be loaded`));
    document.head.append(script);
  });
}

/** Read a picture, a data: URL, and tell how long that took without decoding it, and how many faces were there. */
globalThis.read = async (name, source, time, alone) => {
  const bitmap = await createImageBitmap(await (await fetch(source)).blob());
  const start = performance.now();
  const faces = await CONTENDERS[name].look(bitmap, time, alone);
  const milliseconds = performance.now() - start;
  bitmap.close();
  return { milliseconds, faces };
};
