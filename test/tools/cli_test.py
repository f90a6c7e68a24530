#!/usr/bin/env python3
"""The weft command as its user meets it: real sockets on 127.0.0.1. Its path is the first argument."""
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import summary  # noqa: E402

WEFT = os.path.abspath(sys.argv[1])


class server:
    """weft serve WHAT on a free port."""

    def __init__(self, what, *options):
        self.run = subprocess.Popen([WEFT, 'serve', what, '--bind', '127.0.0.1:0', *options],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.line = self.run.stdout.readline()
        self.port = int(self.line.rsplit(':', 1)[1])
        self.url = f'http://127.0.0.1:{self.port}'

    def connect(self):
        s = socket.create_connection(('127.0.0.1', self.port))
        s.settimeout(20)
        return s

    def stop(self, number=signal.SIGTERM):
        self.run.send_signal(number)
        _, err = self.run.communicate(timeout=30)
        return self.run.returncode, err


def once(answer, wait_for_request=True):
    """A server that takes one connection, reads a head, sends `answer` and closes. Gives its URL."""
    listener = socket.create_server(('127.0.0.1', 0))

    def serve():
        peer, _ = listener.accept()
        with peer, listener:
            peer.settimeout(20)
            seen = b''
            while wait_for_request and b'\r\n\r\n' not in seen:
                more = peer.recv(65536)
                if not more:
                    return
                seen += more
            for piece in answer if isinstance(answer, list) else [answer]:
                if piece is None:
                    peer.recv(65536)  # until the client goes away
                else:
                    peer.sendall(piece)
    threading.Thread(target=serve, daemon=True).start()
    return f'http://127.0.0.1:{listener.getsockname()[1]}/'


def send(*arguments, stdin=b''):
    run = subprocess.run([WEFT, 'send', *arguments], input=stdin, capture_output=True, timeout=60, check=False)
    return run.returncode, run.stdout, run.stderr.decode()


class weft_over_tls(unittest.TestCase):
    """The two commands against each other: certificates made for the run, HTTP/1.1 and HTTP/2."""

    def serving(self, *options):
        s = server('http-test', '--tls-self-signed', *options)
        self.addCleanup(s.stop)
        s.url = f'https://localhost:{s.port}'
        return s

    def test_tls_agrees_on_http_2_and_both_can_be_forced(self):
        s = self.serving()
        for option, version in (('--http2', '2'), ('--http1.1', '1.1'), ('--http2-prior-knowledge', '2')):
            code, out, err = send('-k', option, '-w', r'|%{http_version} %{http_code}\n', s.url + '/')
            self.assertEqual((code, out, err), (0, f'Hello, World!|{version} 200\n'.encode(), ''))
        old = self.serving('--http1')
        self.assertEqual(send('-k', '-w', ' %{http_version}', old.url + '/')[1], b'Hello, World! 1.1')
        new = self.serving('--http2')
        self.assertEqual(send('-k', '-w', ' %{http_version}', new.url + '/')[1], b'Hello, World! 2')

    def test_ktls_is_used_where_it_is_and_nothing_changes_where_it_is_not(self):
        s = self.serving('--ktls')
        for option in ('--http2', '--http1.1'):
            code, out, err = send('-k', option, s.url + '/bytes/1000000')
            self.assertEqual((code, len(out), err), (0, 1000000, ''))

    def test_clear_text_http_2_by_prior_knowledge(self):
        s = server('http-test')
        self.addCleanup(s.stop)
        code, out, _ = send('--http2-prior-knowledge', '-w', ' %{http_version}', '-d', 'abc', s.url + '/echo')
        self.assertEqual((code, out), (0, b'abc 2'))

    def test_a_server_that_nobody_vouches_for_is_status_60(self):
        s = self.serving()
        code, out, err = send(s.url + '/')
        self.assertEqual((code, out), (60, b''))
        self.assertEqual(err.count('\n'), 1, err)
        self.assertIn('localhost', err)

    def test_a_server_without_tls_is_status_35(self):
        s = server('http-test')
        self.addCleanup(s.stop)
        code, _, err = send('-k', f'https://127.0.0.1:{s.port}/')
        self.assertEqual(code, 35, err)

    def test_v_tells_of_the_handshake_the_address_and_the_times(self):
        s = self.serving()
        code, _, err = send('-k', '-v', '--resolve', f'shop.test:{s.port}:127.0.0.1', f'https://shop.test:{s.port}/')
        self.assertEqual(code, 0, err)
        self.assertRegex(err, r'^\* shop\.test: 127\.0\.0\.1:\d+ connected.*\n\* TLS 1\.3, TLS_\w+, h2\n\* certificate of CN=localhost\n'
                         r'.*NOT VERIFIED\n> GET / HTTP/2\n')
        self.assertRegex(err, r'connect=[\d.]+ms tls=[\d.]+ms wait=[\d.]+ms .*in all')

    def test_redirects_are_followed_when_asked(self):
        s = server('http-test')
        self.addCleanup(s.stop)
        answer = f'HTTP/1.1 302 Found\r\nLocation: {s.url}/\r\nContent-Length: 0\r\n\r\n'.encode()
        self.assertEqual(send('-w', '%{http_code}', once(answer))[1], b'302')
        code, out, _ = send('-L', '-w', ' %{num_redirects} %{url_effective}', once(answer))
        self.assertEqual((code, out.decode()), (0, f'Hello, World! 1 {s.url}/'))
        self.assertEqual(send('-L', '--max-redirs', '0', once(answer))[0], 47)
        code, _, err = send('-L', '-v', once(answer))
        self.assertEqual((code, re.findall(r'^[<>] (?:GET|HTTP).*$', err, re.M)),
                         (0, ['> GET / HTTP/1.1', '< HTTP/1.1 302 Found', '> GET / HTTP/1.1', '< HTTP/1.1 200 OK']))
        self.assertIn(f'\n> Host: 127.0.0.1:{s.port}\n', err)

    def test_what_cannot_be_used_is_one_line_and_a_status(self):
        for arguments, status in ((('--cacert', '/nowhere'), 58), (('-E', '/nowhere'), 58), (('--key', 'x'), 2),
                                  (('--max-redirs', 'x'), 2), (('--resolve', 'x'), 2)):
            code, _, err = send(*arguments, 'https://localhost:1/')
            self.assertEqual((code, err.count('\n')), (status, 1), err)
        for options in (('--tls-cert', 'x'), ('--tls-cert', '/nowhere', '--tls-key', '/nowhere'), ('--http1', '--http2'),
                        ('--tls-self-signed', '--tls-cert', 'x', '--tls-key', 'x'),
                        ('--tls-cert', '', '--tls-key', ''), ('--ktls',), ('--tls-self-signed', '--tls-cert'), ('--bind', '')):
            run = subprocess.run([WEFT, 'serve', 'http-test', '--bind', '127.0.0.1:0', *options], capture_output=True, text=True,
                                 timeout=20, check=False)
            self.assertEqual((run.returncode, run.stdout, run.stderr.count('\n')), (2, '', 1), run.stderr)


    def test_a_certificate_for_this_run_is_for_the_ipv6_address_too(self):
        try:
            socket.create_server(('::1', 0), family=socket.AF_INET6).close()
        except OSError:
            self.skipTest('no IPv6')
        run = subprocess.Popen([WEFT, 'serve', 'http-test', '--bind', '[::ffff:127.0.0.1]:0', '--tls-self-signed'],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            port = run.stdout.readline().rsplit(':', 1)[1].strip()
            self.assertIn('  names: localhost, 127.0.0.1, ::1, ::ffff:127.0.0.1\n', weft('probe', 'tls', f'127.0.0.1:{port}')[1])
        finally:
            run.terminate()
            run.communicate(timeout=20)


def weft(*arguments):
    run = subprocess.run([WEFT, *arguments], capture_output=True, text=True, timeout=60, check=False)
    return run.returncode, run.stdout, run.stderr


class weft_probe_tls(unittest.TestCase):
    """A server with certificates of openssl's, and one that is not there."""
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.cert, cls.key = cls.folder.name + '/cert.pem', cls.folder.name + '/key.pem'
        cls.openssl = shutil.which('openssl')
        if cls.openssl:
            subprocess.run([cls.openssl, 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-utf8', '-subj',
                            '/CN=shop\x1b[31m\x9b32m', '-addext', 'subjectAltName=DNS:shop.test,IP:127.0.0.1', '-keyout', cls.key,
                            '-out', cls.cert], check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def serving(self, *options):
        s = server('http-test', *options)
        self.addCleanup(s.stop)
        return s

    def test_a_server_that_is_believed(self):
        if not self.openssl:
            self.skipTest('no openssl')
        s = self.serving('--tls-cert', self.cert, '--tls-key', self.key)
        status, out, err = weft('probe', 'tls', f'127.0.0.1:{s.port}', '--cacert', self.cert)
        self.assertEqual((status, err), (0, ''), out)
        self.assertRegex(out, r'^address: 127\.0\.0\.1:\d+, connected after [\d.]+ ms\nTLS 1\.3: TLS_\w+, h2, handshake [\d.]+ ms\n'
                         r'TLS 1\.2: TLS_ECDHE_RSA_\w+, h2, handshake [\d.]+ ms\nresumption: yes, handshake [\d.]+ ms\nverified: yes\n')
        self.assertRegex(out, r'  names: shop\.test, 127\.0\.0\.1\n  valid: [\d-]+ to [\d-]+, (29|30) days left\n  key: RSA 2048 bits\n')
        self.assertRegex(out, r'  sha256: [0-9a-f]{64}\n  pin: sha256/[A-Za-z0-9+/]{43}=\n$')
        # What a certificate says is not said to the terminal as it is.
        self.assertRegex(out, r'\ncertificate: CN=shop\\\w+\[31m\\x?\w\w\\x?\w\w32m\n')
        self.assertFalse(set(out) & {'\x1b', '\x9b'})
        status, out, _ = weft('probe', 'tls', f'127.0.0.1:{s.port}', '--cacert', self.cert, '--server-name', 'shop.test',
                              '--alpn', 'http/1.1')
        self.assertEqual(status, 0, out)
        self.assertRegex(out, r'TLS 1\.3: TLS_\w+, http/1\.1, ')

    def test_a_server_that_asks_for_a_certificate(self):
        if not self.openssl:
            self.skipTest('no openssl')
        run = subprocess.Popen([self.openssl, 's_server', '-accept', '127.0.0.1:0', '-cert', self.cert, '-key', self.key, '-CAfile',
                                self.cert, '-Verify', '1', '-www'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
        try:
            for line in run.stdout:
                if line.startswith('ACCEPT'):
                    break
            at = f'127.0.0.1:{int(line.rsplit(":", 1)[1])}'
            status, out, _ = weft('probe', 'tls', at, '--cacert', self.cert, '--alpn', '')
            self.assertEqual(status, 0, out)
            self.assertIn('\nclient certificate: wanted, and none was shown (certificate required)\nverified: yes\n', out)
            status, out, _ = weft('probe', 'tls', at, '--cacert', self.cert, '--alpn', '', '--cert', self.cert, '--key', self.key)
            self.assertNotIn('client certificate', out)
            self.assertIn('\nresumption: yes', out)
        finally:
            run.terminate()
            run.communicate(timeout=20)

    def test_a_server_that_is_not_says_why_with_status_60(self):
        s = self.serving('--tls-self-signed')
        status, out, err = weft('probe', 'tls', f'localhost:{s.port}')
        self.assertEqual((status, err), (60, ''), out)
        self.assertIn('\nverified: no, unable to get local issuer certificate\n', out)
        self.assertIn('\n  names: localhost, 127.0.0.1, ::1\n', out)
        self.assertIn('\n  key: EC P-256\n', out)
        if not self.openssl:
            return
        other = self.serving('--tls-cert', self.cert, '--tls-key', self.key)
        status, out, _ = weft('probe', 'tls', f'127.0.0.1:{other.port}', '--cacert', self.cert, '--server-name', 'a.test')
        self.assertEqual(status, 60, out)
        self.assertRegex(out, r'\nverified: no, .*\n')

    def test_every_error_is_one_line_and_a_status(self):
        clear = self.serving()
        silent = socket.create_server(('127.0.0.1', 0))  # whose connections nobody accepts
        self.addCleanup(silent.close)
        table = [
            ([], 2, 'tls HOST:PORT'),
            (['dns', 'x'], 2, "unexpected argument 'dns'"),
            (['tls'], 2, 'HOST:PORT'),
            (['tls', 'a:x'], 2, 'port'),
            (['tls', 'a', '--no'], 2, "no option '--no'"),
            (['tls', 'a', '-m'], 2, '-m needs a value'),
            (['tls', 'a', '--key', 'x'], 2, '--cert'),
            (['tls', 'a', '--cacert', '/nowhere'], 58, '/nowhere'),
            (['tls', '127.0.0.1:1'], 7, 'Connection refused'),
            (['tls', 'shop.invalid'], 7, 'there is no such host'),
            (['tls', f'127.0.0.1:{clear.port}'], 35, 'TLS'),
            (['tls', f'127.0.0.1:{silent.getsockname()[1]}', '-m', '0.2'], 28, 'time limit'),
        ]
        for arguments, wanted, why in table:
            with self.subTest(arguments):
                status, out, err = weft('probe', *arguments)
                self.assertEqual((status, out, err.count('\n')), (wanted, '', 1), err)
                self.assertIn(why, err)


class weft_send(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = server('http-test')
        cls.url = cls.server.url

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def gives(self, *arguments, status=0, out=None, err='', stdin=b''):
        code, stdout, stderr = send(*arguments, stdin=stdin)
        self.assertEqual(code, status, stderr)
        if out is not None:
            self.assertEqual(stdout, out)
        if err:
            self.assertRegex(stderr, err)
            self.assertEqual(stderr.count('\n'), 1, stderr)
        else:
            self.assertEqual(stderr, '')
        return stdout

    def fields(self, *arguments):
        return json.loads(self.gives(*arguments, self.url + '/headers'))

    def test_a_body_goes_to_standard_output(self):
        self.gives(self.url, out=b'Hello, World!')

    def test_the_method_is_the_first_word_or_an_option(self):
        for how in (['PURGE', self.url + '/method'], ['-X', 'PURGE', self.url + '/method'],
                    ['-XPURGE', self.url + '/method'], ['--request', 'PURGE', self.url + '/method']):
            self.gives(*how, out=b'PURGE')

    def test_a_body_makes_it_a_post(self):
        self.gives('-d', 'a=1', '-d', 'b=2', self.url + '/echo', out=b'a=1&b=2')
        self.gives('--data', 'x', self.url + '/method', out=b'POST')
        self.gives('--data-binary', '@-', self.url + '/echo', stdin=b'a\r\n\0b', out=b'a\r\n\0b')
        self.gives('-d', '@-', self.url + '/echo', stdin=b'a\r\nb', out=b'ab')
        self.gives('--data-raw', '@x', self.url + '/echo', out=b'@x')

    def test_a_file_is_sent_and_written(self):
        with tempfile.TemporaryDirectory() as d:
            content = os.urandom(3_000_000)
            with open(d + '/in', 'wb') as f:
                f.write(content)
            self.gives('--data-binary', '@' + d + '/in', '-o', d + '/out', self.url + '/echo', out=b'')
            with open(d + '/out', 'rb') as f:
                self.assertEqual(f.read(), content)

    def test_letters_stand_together(self):
        self.gives('-sSf', self.url + '/status/404', status=22, err='404 Not Found')
        self.gives('-sf', self.url + '/status/404', status=22, out=b'')
        self.assertTrue(self.gives('-si', self.url).startswith(b'HTTP/1.1 200 OK\r\n'))

    def test_fields_are_added_and_taken_out(self):
        self.assertIn(['X-Id', '7'], self.fields('-H', 'X-Id: 7'))
        self.assertIn(['X-Id', ''], self.fields('-H', 'X-Id;'))
        self.assertEqual(self.fields('-H', 'User-Agent:'), [['Host', self.url[7:]]])
        self.assertEqual(self.fields('-H', 'Host: shop.test', '-H', 'User-Agent: me'),
                         [['Host', 'shop.test'], ['User-Agent', 'me']])
        sent = self.gives('-i', '-d', '{}', '-H', 'Content-Type: application/json', self.url + '/echo')
        self.assertIn(b'\r\nContent-Type: application/json\r\n', sent)

    def test_v_shows_both_heads_as_they_are_sent(self):
        code, out, err = send('-v', '-d', 'abc', self.url + '/echo?x=1#part')
        self.assertEqual((code, out), (0, b'abc'))
        # In the order in which it happened: the connection, what was sent, what came, where the time went.
        self.assertRegex(err, r'^\* 127\.0\.0\.1: 127\.0\.0\.1:\d+ connected after \d+ ms\n> POST /echo\?x=1 HTTP/1\.1\n> Host: '
                         + re.escape(self.url[7:]) + '\n> User-Agent: weft/')
        self.assertIn('> Content-Length: 3\n>\n< HTTP/1.1 200 OK\n< ', err)
        self.assertRegex(err, r'\n<\n\* connect=[\d.]+ms wait=[\d.]+ms .*in all [\d.]+ms\n$')

    def test_v_shows_interim_responses(self):
        for version in '--http1.1', '--http2-prior-knowledge':
            code, out, err = send('-v', version, self.url + '/hints/2')
            self.assertEqual((code, out), (0, b'2 hints\n'))
            self.assertRegex(err, r'>\n< HTTP/[12.]+ 103 Early Hints\n(?i:< Link: </1.css>; rel=preload; as=style)\n<\n< HTTP/[12.]+ 103 ')
            self.assertRegex(err, r'</2.css>.*\n<\n< HTTP/[12.]+ 200 OK\n')

    def test_v_shows_no_request_that_was_not_sent(self):
        code, _, err = send('-v', 'http://127.0.0.1:1/')
        self.assertEqual((code, err.count('\n')), (7, 1), err)
        code, _, err = send('-v', '-m', '0.2', once([None]))
        self.assertEqual(code, 28)
        self.assertRegex(err, r'^\* 127.*\n> GET /\n> Host: .*\n> User-Agent: .*\n>\nweft send: timeout')

    def test_head_and_no_content_end(self):
        self.assertIn(b'\r\nContent-Length: 500\r\n\r\n', self.gives('-I', self.url + '/bytes/500'))
        for code in (204, 205, 304):
            self.gives(self.url + f'/status/{code}', out=b'')

    def test_every_error_is_one_line_and_a_status(self):
        table = [
            (['-f', self.url + '/status/500'], 22, 'answered 500'),
            ([], 2, 'which URL'),
            (['-d'], 2, '-d needs a value'),
            (['--no', self.url], 2, "no option '--no'"),
            (['-H', 'x', self.url], 2, '-H takes'),
            (['-m', 'x', self.url], 2, 'takes seconds'),
            ([self.url, 'again'], 2, 'unexpected'),
            (['-d', '@/nonexistent', self.url], 26, 'cannot read'),
            (['--data-binary', '@/nonexistent', self.url], 26, 'cannot read'),
            (['--data-binary', '@/', self.url], 26, 'cannot read'),
            (['-o', '/nonexistent/x', self.url], 23, 'cannot write'),
            (['-o', '/dev/full', self.url], 23, 'cannot write'),
            (['ftp://x/'], 3, 'http'),
            (['http://'], 3, ''),
            (['http://127.0.0.1:1/'], 7, 'cannot connect to 127.0.0.1:1'),
            (['--max-time', '0.1', self.url + '/delay/60000'], 28, 'time limit'),
        ]
        for arguments, status, err in table:
            with self.subTest(arguments):
                self.gives(*arguments, status=status, err=err or '.')

    def test_a_server_that_lies_is_an_error(self):
        ok = b'HTTP/1.1 200 OK\r\n'
        table = [
            b'',
            b'HTTP/1.1 2',
            b'garbage\r\n\r\n',
            ok + b'Content-Length: 10\r\n\r\nshort',
            ok + b'Content-Length: 10\r\nContent-Length: 11\r\n\r\nshort',
            ok + b'Transfer-Encoding: chunked\r\n\r\n5\r\nab',
            ok + b'Transfer-Encoding: chunked\r\n\r\nx\r\nab',
            ok + b'Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n',
            ok + b'X: ' + b'x' * 100_000 + b'\r\n\r\n',
            b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
        ]
        for answer in table:
            with self.subTest(answer[:80]):
                self.gives(once(answer), status=56, err='weft send: (protocol|unavailable): ')

    def test_max_time_covers_a_server_that_stalls(self):
        for answer in ([None], [b'HTTP/1.1 200 OK\r\nX: ', None],
                       [b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc', None]):
            self.gives('-m', '0.2', once(answer), status=28, err='time limit')

    def test_an_interrupt_ends_it(self):
        run = subprocess.Popen([WEFT, 'send', self.url + '/delay/60000'], stderr=subprocess.PIPE)
        time.sleep(0.3)
        run.send_signal(signal.SIGINT)
        self.assertEqual(run.communicate(timeout=20)[1], b'weft send: interrupted\n')
        self.assertEqual(run.returncode, 130)

    def test_a_terminal_gets_a_progress_bar_when_o_writes_a_large_body(self):
        controller, terminal = pty.openpty()
        run = subprocess.Popen([WEFT, 'send', '-o', '/dev/null', self.url + '/bytes/3000000000'], stderr=terminal)
        os.close(terminal)
        shown = b''
        while True:
            try:
                more = os.read(controller, 65536)
            except OSError:
                break
            if not more:
                break
            shown += more
        os.close(controller)
        self.assertEqual(run.wait(timeout=60), 0)
        self.assertRegex(shown.decode(), r'\r\[#{30}\] 100% 2861\.0 MiB \d+\.\d MiB/s +\r\n$')


class weft_serve(unittest.TestCase):
    def exchange(self, at, request):
        with at.connect() as s:
            s.sendall(request)
            s.shutdown(socket.SHUT_WR)
            answer = b''
            while more := s.recv(65536):
                answer += more
            return answer

    def test_it_says_where_it_listens_and_ends_with_status_0(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            for threads in ('1', '3'):
                at = server('http-test', '--threads', threads)
                self.assertRegex(at.line, r'^listening on 127\.0\.0\.1:\d+\n$')
                self.assertEqual(at.stop(number), (0, ''))

    def test_echo_and_discard_speak_tcp(self):
        at = server('echo')
        self.assertEqual(self.exchange(at, b'x' * 1_000_000), b'x' * 1_000_000)
        self.assertEqual(at.stop(), (0, ''))
        at = server('discard')
        self.assertEqual(self.exchange(at, b'x' * 1_000_000), b'')
        self.assertEqual(at.stop(), (0, ''))

    def test_an_idle_connection_does_not_keep_echo_from_ending(self):
        at = server('echo')
        with at.connect() as s:
            s.sendall(b'x')
            self.assertEqual(s.recv(1), b'x')
            start = time.monotonic()
            self.assertEqual(at.stop(), (0, ''))
            self.assertLess(time.monotonic() - start, 5)

    def test_headers_come_back_in_order_as_json(self):
        at = server('http-test')
        answer = self.exchange(at, b'GET /headers HTTP/1.1\r\nhOst: a\r\nB: caf\xe9 "q"\\\r\nb: 2\r\n\r\n')
        self.assertEqual(json.loads(answer.split(b'\r\n\r\n', 1)[1].decode()),
                         [['hOst', 'a'], ['B', 'caf\u00e9 "q"\\'], ['b', '2']])
        at.stop()

    def test_a_body_above_the_limit_is_413(self):
        at = server('http-test', '--max-body', '10')
        for body in (b'Content-Length: 11\r\n\r\n' + b'x' * 11,
                     b'Transfer-Encoding: chunked\r\n\r\nb\r\n' + b'x' * 11 + b'\r\n0\r\n\r\n'):
            answer = self.exchange(at, b'POST /discard HTTP/1.1\r\nHost: a\r\n' + body)
            self.assertTrue(answer.startswith(b'HTTP/1.1 413 '), answer)
        at.stop()

    def test_a_response_under_way_is_finished_after_the_signal(self):
        at = server('http-test')
        with at.connect() as s:
            s.sendall(b'GET /delay/400 HTTP/1.1\r\nHost: a\r\n\r\n')
            time.sleep(0.2)
            at.run.send_signal(signal.SIGTERM)
            answer = b''
            while more := s.recv(65536):
                answer += more
        self.assertIn(b'\r\nConnection: close\r\n', answer)
        self.assertTrue(answer.endswith(b'waited 400 ms\n'))
        self.assertEqual(at.run.wait(timeout=20), 0)
        at.run.communicate()

    def test_a_second_signal_stops_at_once(self):
        at = server('http-test')
        with at.connect() as s:
            s.sendall(b'GET /delay/60000 HTTP/1.1\r\nHost: a\r\n\r\n')
            time.sleep(0.2)
            at.run.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            self.assertIsNone(at.run.poll())
            start = time.monotonic()
            status, err = at.stop()
            self.assertLess(time.monotonic() - start, 5)
            self.assertEqual(status, 1)
            self.assertRegex(err, 'second signal')

    def test_what_cannot_be_served_is_one_line_and_a_status(self):
        at = server('http-test')
        table = [
            (['http-test', '--bind', f'127.0.0.1:{at.port}'], 1, 'Address already in use'),
            (['http-test', '--bind', '127.0.0.1'], 1, 'HOST:PORT'),
            (['http-test'], 2, '--bind'),
            (['nonsense', '--bind', '127.0.0.1:0'], 2, 'what to serve'),
            (['http-test', '--bind', '127.0.0.1:0', '--threads', 'x'], 2, '--threads'),
        ]
        for arguments, status, err in table:
            with self.subTest(arguments):
                run = subprocess.run([WEFT, 'serve', *arguments], capture_output=True, text=True, timeout=20,
                                     check=False)
                self.assertEqual((run.returncode, run.stdout), (status, ''))
                self.assertRegex(run.stderr, re.escape(err))
                self.assertEqual(run.stderr.count('\n'), 1)
        at.stop()


class weft_resolve(unittest.TestCase):
    def resolve(self, *arguments):
        run = subprocess.run([WEFT, 'resolve', *arguments], capture_output=True, text=True, timeout=30, check=False)
        return run.returncode, run.stdout, run.stderr

    def test_what_needs_no_name_server(self):
        table = [
            (['localhost'], '::1\t-\tspecial\n127.0.0.1\t-\tspecial\n'),
            (['localhost', '--type', 'A'], '127.0.0.1\t-\tspecial\n'),
            (['--type', 'AAAA', 'localhost', '--cares'], '::1\t-\tspecial\n'),
            (['192.0.2.7', '--system'], '192.0.2.7\t-\tliteral\n'),
        ]
        for arguments, out in table:
            with self.subTest(arguments):
                status, stdout, stderr = self.resolve(*arguments)
                if 'built without c-ares' in stderr:
                    continue
                self.assertEqual((status, stdout, stderr), (0, out, ''))

    def test_a_name_server_is_asked_and_tells_the_time_to_live(self):
        server_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server_socket.bind(('127.0.0.1', 0))

        def answer():
            query, peer = server_socket.recvfrom(2048)
            end = query.index(b'\0', 12) + 5
            record = b'\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\xc0\0\2\x09'
            server_socket.sendto(query[:2] + b'\x85\x80\0\1\0\1\0\0\0\0' + query[12:end] + record, peer)

        threading.Thread(target=answer, daemon=True).start()
        port = server_socket.getsockname()[1]
        status, stdout, stderr = self.resolve('shop.test', '--type', 'A', '--server', f'127.0.0.1:{port}')
        if 'built without c-ares' not in stderr:
            self.assertEqual((status, stdout, stderr), (0, '192.0.2.9\t300\tserver\n', ''))

    def test_every_error_is_one_line_and_a_status(self):
        table = [
            (['shop.invalid'], 1, 'there is no such host'),
            (['127.0.0.1', '--type', 'AAAA'], 1, 'the host has no IPv6 address'),
            (['a b'], 1, 'this cannot be the name of a host'),
            ([], 2, 'say what to resolve'),
            (['a', 'b'], 2, "unexpected argument 'b'"),
            (['a', '--type', 'MX'], 2, 'A or AAAA'),
            (['a', '--system', '--cares'], 2, 'either'),
            (['a', '--server', 'x'], 2, 'x'),
        ]
        for arguments, wanted, err in table:
            with self.subTest(arguments):
                status, stdout, stderr = self.resolve(*arguments)
                self.assertEqual((status, stdout), (wanted, ''))
                self.assertIn(err, stderr)
                self.assertEqual(stderr.count('\n'), 1)


summary.run()
