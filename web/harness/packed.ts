/** A tensor on its way to or from Python, in `tfjs.ts` and `onnxruntime.ts`. */
export interface Packed {
  shape: number[];
  /** Little-endian float32, or what `dtype` says beside it; base64. */
  data: string;
}

/** A packed tensor that a model is fed; the outputs are always float32. */
export interface Fed extends Packed {
  dtype: keyof typeof ARRAYS;
}

const ARRAYS = { float32: Float32Array, int32: Int32Array, int64: BigInt64Array, bool: Uint8Array };

export function decode({ dtype, data }: Fed): Float32Array | Int32Array | BigInt64Array | Uint8Array {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  return new ARRAYS[dtype](bytes.buffer);
}

export function encode(values: Float32Array): string {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  let text = "";
  for (let start = 0; start < bytes.length; start += 8192) {
    text += String.fromCharCode(...bytes.subarray(start, start + 8192));
  }
  return btoa(text);
}
