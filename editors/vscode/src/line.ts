// The line that installs the program. Pure.

export type Shell = 'posix' | 'powershell' | 'cmd';

/** `source`: a checkout, a wheel or a name on an index; `home`: the folder for an environment of its own. */
export function installLine(source: string, home: string, shell: Shell): string {
  const folder = quoted(home, shell);
  const what = quoted(`${source}[local]`, shell);
  if (shell === 'posix')
    return `python3 -m venv ${folder} && ${quoted(`${home}/bin/pip`, shell)} install ${what}`;
  const pip = quoted(`${home}\\Scripts\\pip.exe`, shell);
  return shell === 'cmd'
    ? `py -m venv ${folder} && ${pip} install ${what}`
    : `py -m venv ${folder}; & ${pip} install ${what}`; // Windows PowerShell knows no &&
}

function quoted(text: string, shell: Shell): string {
  if (shell === 'cmd') return `"${text}"`;
  return shell === 'powershell' ? `'${text.replaceAll("'", "''")}'` : `'${text.replaceAll("'", `'\\''`)}'`;
}
