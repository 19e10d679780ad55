/**
 * Generates TypeScript interfaces from a JSON schema as pydantic prints it (draft 2020-12): records with references to
 * each other. Limits on numbers and lengths have no counterpart in types and are ignored.
 *
 * json-schema-to-typescript, the usual tool, turns tuples (`prefixItems`) into `unknown` and adds a type for each field.
 */

import { Failure } from "./failure.mjs";

/**
 * @typedef {object} Schema
 * @property {string} [title]
 * @property {string} [description]
 * @property {string} [$ref]
 * @property {unknown} [const]
 * @property {unknown[]} [enum]
 * @property {string} [type]
 * @property {Schema[]} [anyOf]
 * @property {Schema[]} [oneOf]
 * @property {Schema} [items]
 * @property {Schema[]} [prefixItems]
 * @property {Record<string, Schema>} [properties]
 * @property {boolean | Schema} [additionalProperties]
 * @property {string[]} [required]
 * @property {Record<string, Schema>} [$defs]
 */

/** @type {Readonly<Record<string, string>>} */
const PRIMITIVES = { string: "string", integer: "number", number: "number", boolean: "boolean", null: "null" };

/**
 * Return the interfaces of all definitions in the order of their names, and then the schema's own.
 *
 * @param {Schema} schema Its `title` becomes the interface's name.
 * @throws {Failure} The schema uses something that this file does not translate.
 */
export function interfaces(schema) {
  const definitions = Object.entries(schema.$defs ?? {}).sort(([first], [second]) => (first < second ? -1 : 1));
  return [...definitions, [schema.title ?? "Root", schema]]
    .map(([name, definition]) => record(/** @type {string} */ (name), /** @type {Schema} */ (definition)))
    .join("\n");
}

/**
 * @param {string} name
 * @param {Schema} definition
 */
function record(name, definition) {
  const required = new Set(definition.required);
  const fields = Object.entries(definition.properties ?? {}).map(([field, schema]) => {
    const place = `${name}.${field}`;
    return `${comment(schema.description, "  ")}  readonly ${field}${required.has(field) ? "" : "?"}: ${type(schema, place)};\n`;
  });
  if (fields.length === 0) throw new Failure(`${name} of the schema is no record with fields`);
  return `${comment(definition.description, "")}export interface ${name} {\n${fields.join("")}}\n`;
}

/**
 * @param {Schema} schema
 * @param {string} place For the error.
 * @returns {string}
 */
function type(schema, place) {
  const options = schema.anyOf ?? schema.oneOf;
  if (schema.$ref !== undefined) return schema.$ref.replace("#/$defs/", "");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (options) return [...new Set(options.map((option) => type(option, place)))].join(" | ");
  if (schema.prefixItems) return `readonly [${schema.prefixItems.map((item) => type(item, place)).join(", ")}]`;
  if (schema.type === "array" && schema.items) {
    const item = type(schema.items, place);
    return `readonly ${/[ |]/.test(item) ? `(${item})` : item}[]`;
  }
  if (schema.type === "object" && typeof schema.additionalProperties === "object") {
    return `Readonly<Record<string, ${type(schema.additionalProperties, place)}>>`;
  }
  const primitive = PRIMITIVES[schema.type ?? ""];
  if (!primitive) throw new Failure(`${place} of the schema has no translation to TypeScript: ${JSON.stringify(schema)}`);
  return primitive;
}

/**
 * @param {string | undefined} text
 * @param {string} indent
 */
function comment(text, indent) {
  if (!text) return "";
  const lines = text.replaceAll("*/", "* /").split("\n");
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`;
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}`.trimEnd() + "\n").join("")}${indent} */\n`;
}
