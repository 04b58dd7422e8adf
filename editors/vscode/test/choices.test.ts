import assert from "node:assert/strict";
import { test } from "node:test";
import { entries, question } from "../src/choices";

const models = {
  current: "embedded",
  choices: [
    { model: "embedded", label: "embedded", about: "ships with it" },
    { model: "a", get: "a", label: "a", about: "1 G weights", gb: 0.5, licence: "MIT License: https://x" },
  ],
};

test("each choice is an entry, and the last is for another model", () => {
  const made = entries(models);
  assert.deepEqual(
    made.map((entry) => entry.choice?.model),
    ["embedded", "a", undefined],
  );
  assert.equal(made[0]?.description, "in use");
  assert.match(made[1]?.label ?? "", /cloud-download/);
});

test("the question names size and licence", () => {
  const asked = question(models.choices[1]!);
  assert.match(asked.message, /Download a/);
  assert.match(asked.detail, /0.5 GB.*MIT License: https:\/\/x/);
});
