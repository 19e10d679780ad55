const scope = globalThis as { ferBackends?: string };

/**
 * Load the script that adds TF.js's other backends to a worker, a fifth of the page's code that hardly any browser needs; once.
 *
 * @returns Its text, to stand before the worker's own.
 * @throws Error `backends.js` cannot be loaded.
 */
export function otherBackends(): Promise<string> {
  return new Promise((resolve, reject) => {
    if (scope.ferBackends) {
      resolve(scope.ferBackends);
      return;
    }
    const missing = new Error("dist/backends.js is missing or damaged");
    const script = document.createElement("script");
    script.src = "dist/backends.js";
    script.onload = () => (scope.ferBackends ? resolve(scope.ferBackends) : reject(missing));
    script.onerror = () => reject(missing);
    document.head.append(script);
  });
}
