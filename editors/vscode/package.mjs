// Make the VSIX: the bundle, and beside it what a marketplace shows. `npm run package [-- FILE]`; it asks nothing.

import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createVSIX } from '@vscode/vsce';
import { build } from 'esbuild';

const HERE = import.meta.dirname;
const ROOT = join(HERE, '../..');
const STAGED = join(HERE, 'dist/package'); // exactly what is packed

const manifest = JSON.parse(await readFile(join(HERE, 'package.json'), 'utf8'));
manifest.version = await version();
delete manifest.devDependencies;
delete manifest.scripts;

await rm(STAGED, { recursive: true, force: true });
await mkdir(STAGED, { recursive: true });
const bundle = await build({
  entryPoints: [join(HERE, 'src/extension.ts')],
  absWorkingDir: HERE,
  outfile: join(STAGED, manifest.main),
  bundle: true,
  minify: true,
  platform: 'node',
  target: 'node20',
  external: ['vscode'],
  logLevel: 'warning',
  metafile: true,
});
await writeFile(join(STAGED, '.vscodeignore'), '**/*.svg\n');
await writeFile(join(STAGED, 'package.json'), JSON.stringify(manifest, null, 2));
await writeFile(join(STAGED, 'ThirdPartyNotices.txt'), await notices(Object.keys(bundle.metafile.inputs)));
await cp(join(ROOT, 'LICENSE'), join(STAGED, 'LICENSE'));
await cp(join(HERE, 'media'), join(STAGED, 'media'), { recursive: true });
await writeFile(
  join(STAGED, 'README.md'),
  absolute(await readFile(join(HERE, 'README.md'), 'utf8'), 'editors/vscode/'),
);
await writeFile(
  join(STAGED, 'CHANGELOG.md'),
  absolute(await readFile(join(ROOT, 'CHANGELOG.md'), 'utf8'), ''),
);

await createVSIX({
  cwd: STAGED,
  packagePath: process.argv[2] ?? join(HERE, 'midfill.vsix'),
  dependencies: false,
  rewriteRelativeLinks: false,
});

/** The program's: it stands in one place. */
async function version() {
  const text = await readFile(join(ROOT, 'server/midfill_server/__init__.py'), 'utf8');
  return /^__version__ = "(.+)"$/m.exec(text)[1];
}

/** A page whose links still lead somewhere when it is shown without the repository. */
function absolute(page, folder) {
  const repository = manifest.repository.url.replace(/\.git$/, '');
  return page.replace(/(!?)(\[[^\]]*\])\((?!\w+:|#)([^)\s]+)\)/g, (_, picture, words, target) => {
    const base = `${repository}/${picture ? 'raw' : 'blob'}/v${manifest.version}/${folder}`;
    return `${picture}${words}(${new URL(target, base).href})`;
  });
}

/** The licences of all packages that the bundle holds a part of. */
async function notices(inputs) {
  const folders = new Set(
    inputs.map((it) => /^node_modules\/(@[^/]+\/)?[^/]+/.exec(it)?.[0]).filter(Boolean),
  );
  const parts = await Promise.all([...folders].sort().map(notice));
  return ['dist/extension.js holds code of these packages.', ...parts].join(`\n\n${'-'.repeat(80)}\n\n`);
}

async function notice(folder) {
  const { name, version, license } = JSON.parse(await readFile(join(HERE, folder, 'package.json'), 'utf8'));
  const file = (await readdir(join(HERE, folder))).find((it) => /^licen[cs]e(\.|$)/i.test(it));
  if (!file) throw new Error(`${folder} has no file with its licence`);
  return `${name} ${version} (${license})\n\n${(await readFile(join(HERE, folder, file), 'utf8')).trim()}`;
}
