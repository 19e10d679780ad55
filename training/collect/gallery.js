// Runs inside a result page: (media types, endings of picture addresses, smallest declared side) → for each picture
// its addresses, best first, in page order.
const [mediaTypes, endings, smallest] = arguments;

const resolve = (text) => {
  try {
    const url = new URL(text, document.baseURI);
    url.hash = '';
    const fine = ['http:', 'https:'].includes(url.protocol) && !url.username && url.href.length < 4000;
    return fine ? url.href : null;
  } catch {
    return null;
  }
};

const largest = (srcset) => {
  let best = [null, 0];
  for (const [, address, size] of srcset.matchAll(/([^\s,]\S*[^\s,])(?:\s+([\d.]+)[wx])?\s*(?:,|$)/g)) {
    if (Number(size ?? 1) > best[1]) best = [address, Number(size ?? 1)];
  }
  return best[0];
};

const isPicture = (address) => {
  const path = new URL(address).pathname.toLowerCase();
  return endings.some((ending) => path.endsWith(ending));
};

const declaredTiny = (image) =>
  ['width', 'height'].some((side) => {
    const text = image.getAttribute(side);
    return text !== null && /^\d+$/.test(text) && Number(text) <= smallest;
  });

const found = [];
for (const element of document.querySelectorAll('a[href], img')) {
  const raw = [];
  if (element.tagName === 'A') {
    if (element.querySelector('img')) continue; // its image brings the link along
    const target = resolve(element.getAttribute('href'));
    if (target && isPicture(target)) raw.push(target);
  } else {
    const target = resolve(element.closest('a[href]')?.getAttribute('href') ?? 'data:,');
    if (target && isPicture(target)) raw.push(target);
    const choices = [element, ...(element.closest('picture')?.querySelectorAll('source') ?? [])];
    for (const choice of choices) {
      if (choice.type && !mediaTypes.includes(choice.type)) continue;
      for (const name of ['srcset', 'data-srcset']) {
        const text = choice.getAttribute(name);
        if (text) raw.push(largest(text));
      }
    }
    if (raw.length || !declaredTiny(element)) {
      raw.push(...['data-src', 'data-original', 'data-lazy-src', 'src'].map((name) => element.getAttribute(name)));
    }
  }
  const addresses = [...new Set(raw.filter(Boolean).map(resolve).filter(Boolean))];
  if (addresses.length) found.push(addresses);
}
return found;
