#!/usr/bin/env python3
"""extract.py ROOT OUTPUT...: turns every C++ block of the documentation into test cases.

Reads README.md, docs/**/*.md (fenced blocks that begin with ```cpp) and the examples of include/weft/**/*.hpp (comment lines
`///` followed by five or more spaces), and spreads them over the OUTPUT files, which test/docs/meson.build compiles into
one doctest program; but the last OUTPUT gets the blocks of headers that only compile, and is linked into nothing. The convention is written down in docs/contributing.md. A file is only written when it changes.
"""
import os
import re
import sys

MARKS = ('', 'compile', 'wrong')
NAMES = 'test/docs/names'
DECLARATION = re.compile(
    r'(?:struct|class|enum|union|template|namespace|inline|static|constexpr|extern|using|typedef|concept|TEST_CASE|SUBCASE_DECL'
    r'|BOOST_DESCRIBE_\w+)\b')
FUNCTION = re.compile(r'(?:[\w:]+(?:<[^;{}()]*>)?[\s&*]+)+[\w:~]+\s*\([^;{}]*\)\s*(?:const|noexcept|override|\s)*\{')
STATEMENT_WORDS = re.compile(r'(?:if|for|while|switch|do|return|co_return|co_await|co_yield|throw|try|else|case|delete|goto|break'
                             r'|continue)\b')
RETURNS_STATUS = re.compile(r'\breturn\b')
RETURNS_VALUE = re.compile(r'(?:^|[\s;)])co_return\s+[^;\s]')
LISTEN_ADDRESS = re.compile(r'"(?:\d+\.\d+\.\d+\.\d+|\[::1?\]|localhost):\d+"')


class broken(Exception):
    """A block that the convention does not cover; the text says where and why."""


class block:
    """One example: where it stands, its lines, and what to do with it."""

    def __init__(self, path, line, mark, lines, hidden=()):
        self.path, self.line, self.mark, self.lines, self.hidden = path, line, mark, lines, list(hidden)


def blocks_of_markdown(path, text):
    fence, hidden, start = None, [], 0
    in_hidden = False
    lines, mark = [], ''
    for number, line in enumerate(text.split('\n'), 1):
        if fence is not None:
            if line.strip() == fence:
                if mark is not None:
                    yield block(path, start + 1, mark, lines, hidden)
                fence, hidden = None, []
            else:
                lines.append(line)
        elif in_hidden:
            if line.strip() == '-->':
                in_hidden = False
            else:
                hidden.append((number, line))
        elif line.strip() == '<!-- hidden':
            in_hidden, hidden = True, []
        elif line.lstrip().startswith('```'):
            opened = re.match(r'\s*(`{3,})\s*([\w+-]*)\s*(.*)$', line)
            fence, start, lines = opened.group(1), number, []
            mark = opened.group(3).strip() if opened.group(2) in ('cpp', 'c++') else None
            if mark is not None and mark not in MARKS:
                raise broken(f'{path}:{number}: ```cpp {mark}: the marks are {", ".join(m for m in MARKS if m)}')
            if mark is None and hidden:
                raise broken(f'{path}:{number}: hidden lines before a block that is not ```cpp')
        elif line.strip() and hidden:
            raise broken(f'{path}:{number}: hidden lines must stand right before a ```cpp block')
    if fence is not None:
        raise broken(f'{path}:{start}: the block is never closed')


def blocks_of_header(path, text):
    lines, start = [], 0
    for number, line in enumerate(text.split('\n') + [''], 1):
        found = re.match(r'\s*///( {5,}\S.*)$', line)
        if found:
            if not lines:
                start = number
            lines.append(found.group(1)[5:])
        elif lines and re.match(r'\s*///\s*$', line):
            lines.append('')
        elif lines:
            while lines and not lines[-1]:
                lines.pop()
            yield block(path, start, '', lines)
            lines = []


def blank_literals(text):
    """The text with comments, strings and characters replaced by blanks of the same length (line ends stay)."""
    def blanked(m):
        if m.group().startswith(('"', "'", 'R"')):
            return m.group()[0] + re.sub(r'[^\n]', 'x', m.group()[1:-1]) + m.group()[-1]
        return re.sub(r'[^\n]', ' ', m.group())
    return re.sub(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'',
                  blanked, text, flags=re.DOTALL)


def chunks(text):
    """(start, end) of each top-level declaration or statement of `text`."""
    blank = blank_literals(text)
    open_brackets, start, i = [], None, 0
    while i < len(blank):
        c = blank[i]
        if start is None and not c.isspace():
            start = i
            if c == '#':
                end = blank.find('\n', i)
                end = len(blank) if end < 0 else end
                yield start, end
                start, i = None, end
                continue
        if c in '({[':
            open_brackets.append(c)
        elif c in ')}]':
            if not open_brackets or open_brackets.pop() + c not in ('()', '{}', '[]'):
                raise ValueError(f'unbalanced {c}')
        if start is not None and not open_brackets:
            if c == ';' or (c == ')' and blank.startswith('BOOST_DESCRIBE_', start)) or (c == '}' and ends_here(blank, start, i)):
                yield start, i + 1
                start = None
        i += 1
    if open_brackets:
        raise ValueError(f'unbalanced {open_brackets[-1]}')
    if start is not None:
        yield start, len(blank.rstrip())


def ends_here(blank, start, i):
    """Whether the closing brace at i ends its chunk: a function or a block, not a type, an initializer or a lambda."""
    head = blank[start:i]
    if re.match(r'(?:template\s*<[^{}]*>\s*)?(?:struct|class|enum|union)\b', head) and not re.search(r'\)\s*\{', head.split('{')[0] + '{'):
        return False
    if re.match(r'(?:namespace|TEST_CASE|if|for|while|switch|try|do|else)\b', head):
        return not re.match(r'\s*(?:else|catch|while)\b', blank[i + 1:])
    return bool(re.match(r'(?:template\s*<[^{}]*>\s*)?' + FUNCTION.pattern, head)) or head.startswith('{')


def without_elisions(text):
    """`...` that stands for 'some code' becomes code that does nothing; packs and catch (...) stay."""
    blank = blank_literals(text)
    out, last = [], 0
    for m in re.finditer(r'(?<!\S)\.\.\.(?=[\s;]|$)', blank):
        before = blank[:m.start()].rstrip()
        nothing = not before or before[-1] in '{};'
        semicolon = m.end() < len(blank) and blank[m.end()] == ';'
        out += [text[last:m.start()], '   ' if nothing or semicolon else '{ }']
        last = m.end()
    return ''.join(out) + text[last:]


class piece:
    """What one block becomes."""

    def __init__(self, b):
        self.block = b
        self.includes, self.globals, self.declarations, self.statements = [], [], [], []
        self.has_main = False
        self.returns_response = False
        self.is_plain = False  # returns a status, as the body of a main does
        self.mark = b.mark
        self.throws = False
        for number, line in b.hidden:
            self.split(line, number)
        self.split(without_elisions('\n'.join(b.lines)), b.line)

    def split(self, text, first):
        b = self.block
        try:
            parts = list(chunks(text))
        except ValueError as error:
            raise broken(f'{b.path}:{first}: {error}') from error
        blank = blank_literals(text)
        for start, end in parts:
            line = first + text.count('\n', 0, start)
            code, head = text[start:end], blank[start:end]
            column = start - (text.rfind('\n', 0, start) + 1)
            item = (line, ' ' * column + code)
            if head.startswith('#'):
                if not head.startswith('#include'):
                    raise broken(f'{b.path}:{line}: only #include may stand in an example: {code}')
                self.includes.append(item)
            elif re.match(r'template\s*<>', head) and 'weft::' in head:
                self.globals.append(item)
            elif re.match(r'int\s+main\s*\(', head):
                self.has_main = True
                self.declarations.append((line, LISTEN_ADDRESS.sub('"127.0.0.1:0"', item[1])))
            elif re.match(r'using\s+namespace\b', head) or DECLARATION.match(head) and not re.match(r'static_assert', head):
                self.declarations.append(item)
            elif FUNCTION.match(head) and not STATEMENT_WORDS.match(head):
                self.declarations.append(item)
            else:
                if RETURNS_STATUS.search(without_lambdas(head)):
                    self.is_plain = True
                    item = (line, LISTEN_ADDRESS.sub('"127.0.0.1:0"', item[1]))
                self.statements.append(item)
                if RETURNS_VALUE.search(without_lambdas(head)):
                    self.returns_response = True


def without_lambdas(blank):
    """The text without the bodies of braces that follow a lambda's introducer."""
    return re.sub(r'\[[^\[\]]*\][^{;]*\{.*\}', '', blank, flags=re.DOTALL)


def quoted(text):
    return text.replace('\\', '\\\\').replace('"', '\\"')


def names_of(root, path):
    """The file that declares what the examples of this file take for granted, if there is one."""
    flat = re.sub(r'\W', '_', re.sub(r'^include/weft/|^docs/', '', re.sub(r'\.(hpp|md)$', '', path)))
    own = f'{NAMES}/{flat}.hpp'
    if not os.path.exists(os.path.join(root, own)):
        return None, 'names'
    with open(os.path.join(root, own), encoding='utf-8') as f:
        return own, f'names_{flat}' if f'struct names_{flat} ' in f.read() else 'names'


def apply_directives(root, path, pieces):
    """What the names file says of a block, found by a TEXT that it contains: `// compile only: TEXT` (it needs a network, or
    never ends), `// throws: TEXT` (it shows how something fails), `// sketch: TEXT` (too much is left out to compile)."""
    own, _ = names_of(root, path)
    if not own:
        return
    with open(os.path.join(root, own), encoding='utf-8') as f:
        for number, line in enumerate(f, 1):
            found = re.match(r'// (compile only|throws|sketch): (.+)$', line)
            if not found:
                continue
            meant = [p for p in pieces if found.group(2).strip() in '\n'.join(p.block.lines)]
            if len(meant) != 1:
                raise broken(f'{own}:{number}: {len(meant)} blocks of {path} contain "{found.group(2).strip()}"')
            if found.group(1) == 'throws':
                meant[0].throws = True
            else:
                meant[0].mark = 'compile' if found.group(1) == 'compile only' else 'sketch'


def render_file(root, path, pieces):
    """The namespace with all blocks of one file."""
    _, names = names_of(root, path)
    room = re.match(r'include/weft/(io|net|http|testing)/', path)
    space = 'docs_' + re.sub(r'\W', '_', path)
    out = []
    pieces = [p for p in pieces if p.mark != 'sketch']
    for p in pieces:
        for line, code in p.globals:
            out += [f'#line {line} "{path}"', code]
    out += [f'namespace {space} {{', 'using namespace weft;']
    if room:
        out.append(f'using namespace weft::{room.group(1)};')
    for p in pieces:
        b = p.block
        where = f'{path}:{b.line}'
        inner = f'block_{b.line}'
        # A header's examples and whole programs keep their declarations to themselves; a page's blocks build on each other.
        own = path.endswith('.hpp') or p.has_main
        if own:
            out.append(f'namespace {inner}_names {{')
        for line, code in p.declarations:
            out += [f'#line {line} "{path}"', code]
        if p.has_main and p.mark == '':
            out.append(f'TEST_CASE("{quoted(where)}: the program runs and ends on SIGTERM") {{ docs::run_program(&main); }}')
        if p.statements:
            result = 'int' if p.is_plain else 'weft::awaitable<weft::http::response>' if p.returns_response else 'weft::awaitable<void>'
            out += [f'struct {inner} : {names} {{', f'    using {names}::{names};', f'    {result} example() {{']
            for line, code in p.statements:
                out += [f'#line {line} "{path}"', code]
            out.append('#line 1 "generated"')
            ending = 'return 0;' if p.is_plain else 'co_return weft::http::response{};' if p.returns_response else 'co_return;'
            out.append(f'        {ending}')
            out += ['    }', '};']
            if p.mark == '':
                how = 'run_plain' if p.is_plain else 'run_throwing_block' if p.throws else 'run_block'
                out.append(f'TEST_CASE("{quoted(where)}") {{ docs::{how}<{inner}>(); }}')
        if own:
            out.append(f'}}  // namespace {inner}_names')
    out.append(f'}}  // namespace {space}\n')
    return '\n'.join(out)


def collect(root):
    """[(path, pieces)], how many blocks are shown as wrong, and what the convention does not cover."""
    files, wrong, mistakes = [], 0, []
    sources = []
    if os.path.exists(os.path.join(root, 'README.md')):
        sources.append('README.md')
    for top, ending in (('docs', '.md'), ('include/weft', '.hpp')):
        for folder, folders, names in os.walk(os.path.join(root, top)):
            folders.sort()
            sources += [os.path.relpath(os.path.join(folder, n), root) for n in sorted(names) if n.endswith(ending)]
    for path in sources:
        with open(os.path.join(root, path), encoding='utf-8') as f:
            text = f.read()
        pieces = []
        try:
            for b in (blocks_of_markdown if path.endswith('.md') else blocks_of_header)(path, text):
                if b.mark == 'wrong':
                    wrong += 1
                    continue
                try:
                    pieces.append(piece(b))
                except broken as error:
                    mistakes.append(str(error))
        except broken as error:
            mistakes.append(str(error))
        if pieces:
            try:
                apply_directives(root, path, pieces)
            except broken as error:
                mistakes.append(str(error))
            files.append((path, pieces))
    return files, wrong, mistakes


def write(path, text):
    try:
        with open(path, encoding='utf-8') as f:
            if f.read() == text:
                return
    except FileNotFoundError:
        pass
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)


def main(root, *outputs):
    files, wrong, mistakes = collect(root)
    if mistakes:
        print('\n'.join(mistakes), file=sys.stderr)
        return 1
    shards = [{'size': 0, 'text': [], 'includes': [], 'names': []} for _ in outputs]
    # A header's blocks stand alone: those that only compile may name what nobody defines, so they go where nothing is linked.
    linked, unlinked = [], []
    for path, pieces in files:
        unlinks = [p for p in pieces if path.endswith('.hpp') and p.mark == 'compile']
        for where, some in ((unlinked, unlinks), (linked, [p for p in pieces if p not in unlinks])):
            if some:
                where.append((path, some))
    for path, pieces in sorted(linked + unlinked, key=lambda f: -sum(len(p.block.lines) for p in f[1])):
        shard = shards[-1] if (path, pieces) in unlinked else min(shards[:-1], key=lambda s: s['size'])
        shard['size'] += 5 + sum(len(p.block.lines) for p in pieces)
        shard['text'].append(render_file(root, path, pieces))
        shard['includes'] += [code.strip() for p in pieces for _, code in p.includes]
        if path.endswith('.hpp'):
            shard['names'].append(f'#include <{path[len("include/"):]}>')
        own, _ = names_of(root, path)
        if own:
            shard['names'].append(f'#include "{own[len("test/docs/"):]}"')
    for output, shard in zip(outputs, shards):
        head = ['// Generated by test/docs/extract.py from the documentation.', '#include "names.hpp"']
        head += sorted(set(shard['names'])) + sorted(set(shard['includes']))
        write(output, '\n'.join(head) + '\n\n' + '\n'.join(shard['text']))
    marks = [p.mark for _, pieces in files for p in pieces]
    print(f'{len(marks)} code blocks of {len(files)} files: {marks.count("")} compile and run, {marks.count("compile")} compile only, '
          f'{marks.count("sketch")} are sketches; {wrong} are shown as wrong')
    return 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
