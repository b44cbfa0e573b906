// The line that installs the program is one that a shell takes, whatever the folder's name is.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { installLine } from '../src/line';

test('a shell hands on folders and sources as they are', { skip: process.platform === 'win32' }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'midfill-'));
  for (const source of [
    'midfill',
    "/home/o'neil/my code/midfill",
    '/a/$HOME/`b`/midfill-0.1.0-py3-none-any.whl',
  ]) {
    const home = join(folder, "it's a home");
    mkdirSync(join(home, 'bin'), { recursive: true });
    for (const program of [join(folder, 'python3'), join(home, 'bin/pip')]) {
      writeFileSync(program, `#!/bin/sh\nprintf '%s\\n' "$@" >>"${folder}/said"\n`);
      chmodSync(program, 0o755);
    }
    const env = { ...process.env, PATH: `${folder}:${process.env.PATH ?? ''}` };
    execFileSync('sh', ['-c', installLine(source, home, 'posix')], { env });
    const said = readFileSync(join(folder, 'said'), 'utf8').trim().split('\n');
    assert.deepEqual(said, ['-m', 'venv', home, 'install', `${source}[local]`]);
    rmSync(join(folder, 'said'));
  }
  rmSync(folder, { recursive: true });
});

test('the shells of Windows have ways of their own', () => {
  const home = 'C:\\Users\\me\\.midfill';
  assert.equal(
    installLine('midfill', home, 'cmd'),
    'py -m venv "C:\\Users\\me\\.midfill" && "C:\\Users\\me\\.midfill\\Scripts\\pip.exe" install "midfill[local]"',
  );
  assert.equal(
    installLine("C:\\it's\\midfill", home, 'powershell'),
    "py -m venv 'C:\\Users\\me\\.midfill'; & 'C:\\Users\\me\\.midfill\\Scripts\\pip.exe' install 'C:\\it''s\\midfill[local]'",
  );
});
