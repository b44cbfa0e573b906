// What of ghost text is on screen: now, and in every frame that is drawn. Runs inside the page.

globalThis.midfillGhost = () => {
  const pieces = [...document.querySelectorAll('.monaco-editor [class*="ghost-text"]')]
    .filter((it) => !it.parentElement.closest('[class*="ghost-text"]') && it.getClientRects().length > 0)
    .map((it) => ({ ...it.getClientRects()[0].toJSON(), text: it.textContent.replaceAll('\u00a0', ' ') }))
    .sort((a, b) => a.top - b.top || a.left - b.left);
  const lines = new Map();
  for (const { top, text } of pieces) lines.set(Math.round(top), (lines.get(Math.round(top)) ?? '') + text);
  return [...lines.values()].join('\n');
};

// Frames are counted, and only changes kept: {frame, time, text}. The task behind a frame sees what was painted.
// Resolves once the first frame is in.
globalThis.midfillRecord = () => new Promise((begun) => {
  if (globalThis.midfillFrames) midfillFrames.on = false;
  const record = { frames: 0, changes: [], on: true };
  const painted = new MessageChannel();
  painted.port1.onmessage = () => {
    const text = midfillGhost();
    record.frames += 1;
    if (text !== (record.changes.at(-1)?.text ?? ''))
      record.changes.push({ frame: record.frames, time: performance.now(), text });
    begun();
    if (record.on) requestAnimationFrame(() => painted.port2.postMessage(0));
  };
  requestAnimationFrame(() => painted.port2.postMessage(0));
  globalThis.midfillFrames = record;
});

// [the text before a part of it, or all, was taken]: before it shrank at its beginning, or vanished. For the length
// of a frame VS Code may show the first of several lines only, which is neither.
globalThis.midfillTaken = (texts) => {
  for (const [n, text] of texts.slice(1).entries())
    if (!text.startsWith(texts[n]) && (text === '' || !texts[n].startsWith(text))) return [texts[n]];
  return null;
};
