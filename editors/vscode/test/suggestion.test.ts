import assert from "node:assert/strict";
import { test } from "node:test";
import { type Place, remaining, shrinks, typedSince } from "../src/suggestion";

const place: Place = { uri: "file:///a.py", line: 3, character: 4, head: "    ", tail: ")" };

test("what was typed along is cut off", () => {
  const left = remaining({ text: "return a", replaced: 1 }, "ret");
  assert.deepEqual(left, { text: "urn a", replaced: 1 });
});

test("typing something else leaves nothing", () => {
  assert.equal(remaining({ text: "return", replaced: 0 }, "x"), undefined);
  assert.equal(remaining({ text: "return", replaced: 0 }, "return"), undefined);
});

test("line endings do not count", () => {
  const left = remaining({ text: "a\nb\nc", replaced: 0 }, "a\r\nb");
  assert.equal(left?.text, "\nc");
});

test("a place follows the cursor while the text around it stays", () => {
  const now = { ...place, character: 6, head: "    re" };
  assert.equal(typedSince(place, now, "    ", () => "re"), "re");
  assert.equal(typedSince(place, { ...now, tail: "))" }, "    ", () => "re"), undefined);
  assert.equal(typedSince(place, now, "   x", () => "re"), undefined);
  assert.equal(typedSince(place, { ...now, character: 2 }, "    ", () => ""), undefined);
  assert.equal(typedSince(place, { ...now, uri: "file:///b.py" }, "    ", () => "re"), undefined);
});

test("only a shorter head of what is shown shrinks it", () => {
  assert.ok(shrinks("return a", "return"));
  assert.ok(!shrinks("return a", "return a + b"));
  assert.ok(!shrinks("return a", "yield"));
});
