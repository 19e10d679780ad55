/** An error for a file that cannot be shown, in words for the user. */
export class PictureError extends Error {}

/** Files with more bytes are refused unread. */
const MAX_BYTES = 60e6;
/** Pictures with more pixels are refused before they are decoded, as in fer_export/faces/photo.py. */
const MAX_PIXELS = 40e6;

/**
 * Decode a picture as Python reads it: upright, colours as stored.
 *
 * @throws PictureError The file is not a picture, is damaged, or is too large.
 */
export async function decode(file: Blob): Promise<ImageBitmap> {
  if (file.size > MAX_BYTES) throw new PictureError(`This file is too large (${Math.round(file.size / 1e6)} MB, at most ${MAX_BYTES / 1e6}).`);
  const { width, height } = await sizeOf(file);
  if (width * height > MAX_PIXELS) {
    throw new PictureError(`This picture is too large (${width} × ${height} pixels, at most ${MAX_PIXELS / 1e6} million in all).`);
  }
  try {
    return await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  } catch {
    throw unreadable();
  }
}

/**
 * Read a picture's size from its header. An image element decodes nothing before it is drawn, so a file of a few
 * kilobytes that would unpack to gigabytes costs nothing.
 */
async function sizeOf(file: Blob): Promise<{ width: number; height: number }> {
  const url = URL.createObjectURL(file);
  const image = new Image();
  try {
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = () => reject(unreadable());
      image.src = url;
    });
    return { width: image.naturalWidth, height: image.naturalHeight };
  } finally {
    URL.revokeObjectURL(url);
  }
}

function unreadable(): PictureError {
  return new PictureError("This file is not a picture that the browser can read. Try a JPEG, PNG or WebP.");
}
