/** The backends for browsers without WebAssembly: a script of its own, which the worker gets only where it is needed. */

import "@tensorflow/tfjs-backend-cpu";
import "@tensorflow/tfjs-backend-webgl";
