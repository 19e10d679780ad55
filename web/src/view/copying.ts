/**
 * Put a text on the clipboard.
 *
 * @returns Whether the browser let the page do so.
 */
export async function copied(text: string): Promise<boolean> {
  // Not there for a page without a secure origin.
  const clipboard = navigator.clipboard as Clipboard | undefined;
  return (await clipboard?.writeText(text).then(() => true, () => false)) ?? false;
}
