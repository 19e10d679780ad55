// Gives each contender a frame of its own, and lets them read pictures in turn.

const frames = {};

/** Load a contender; it rejects where that fails. */
globalThis.benchStart = async (name) => {
  const frame = document.createElement("iframe");
  frame.src = "contender.html";
  const loaded = new Promise((resolve) => frame.addEventListener("load", resolve, { once: true }));
  document.body.append(frame);
  await loaded;
  frames[name] = frame.contentWindow;
  await frames[name].start(name);
};

/** Read a picture with each contender, beginning with another one each time. */
globalThis.benchFrame = async (names, source, index, time, alone) => {
  const results = {};
  for (let turn = 0; turn < names.length; turn++) {
    const name = names[(index + turn) % names.length];
    results[name] = await frames[name].read(name, source, time, alone);
  }
  return results;
};
