"""Servers and their clients, unmodified, all of them processes of one world over its own loopback."""
import glob

WAIT = """
import socket, subprocess, time
def until_it_listens(port, host='127.0.0.1'):
    for _ in range(200):
        try:
            return socket.create_connection((host, port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise SystemExit('nobody listens')
"""


def test_redis(inside):
    assert inside(WAIT + """
import os, redis
server = subprocess.Popen(['redis-server', '--port', '6399', '--save', '', '--dir', '/tmp', '--logfile', '/tmp/redis.log'])
until_it_listens(6399)
r = redis.Redis(port=6399)
r.set('a', 1)
print(r.incr('a'), r.eval("return redis.call('incr', KEYS[1])", 1, 'a'))
with r.pipeline() as several:
    for i in range(500):
        several.rpush('list', i)
    several.execute()
print(r.llen('list'), r.lrange('list', 0, 2), r.blpop('nothing', timeout=1))
channel = r.pubsub()
channel.subscribe('news')
channel.get_message(timeout=1)
r.publish('news', 'hello')
print(channel.get_message(timeout=1)['data'])
r.save()
try:
    r.shutdown()
except redis.ConnectionError:
    pass
print(server.wait(), os.path.getsize('/tmp/dump.rdb') > 0)
""") == "2 3\n500 [b'0', b'1', b'2'] None\nb'hello'\n0 True\n"


def test_postgresql(terrarium):
    """A cluster made, a server of several processes and shared memory, clients by TCP and by a socket file, a notice, a crash."""
    programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
    result = terrarium("run", "--limit", "memory=1GiB", "--", "-c", f"bin = {programs!r}" + """
import subprocess, psycopg2, psycopg2.errors, threading
def control(*arguments):
    done = subprocess.run([bin + '/pg_ctl', '-D', '/tmp/cluster', '-l', '/tmp/log', '-w', *arguments], stdout=subprocess.DEVNULL)
    print(arguments[-1], done.returncode, flush=True)
print(subprocess.run([bin + '/initdb', '-D', '/tmp/cluster', '-A', 'trust', '-U', 'me', '--no-locale', '-E', 'UTF8'],
                     stdout=subprocess.DEVNULL).returncode)
control('-o', '-p 5555 -k /tmp -c fsync=off', 'start')
def connect(host):
    return psycopg2.connect(host=host, port=5555, user='me', dbname='postgres')
one, two = connect('127.0.0.1'), connect('/tmp')
a, b = one.cursor(), two.cursor()
a.execute('create table t(n int primary key, s text)')
a.executemany('insert into t values(%s, %s)', [(i, str(i) * 3) for i in range(100)])
one.commit()
b.execute('select count(*), sum(n), max(s) from t')
print(b.fetchone())
b.execute('listen x')
two.commit()
a.execute("notify x, 'news'")
one.commit()
two.poll()
print([n.payload for n in two.notifies])
a.execute('update t set n = -1 where n = 1')
waits = threading.Thread(target=lambda: b.execute('update t set n = -2 where n = 1'))
waits.start()
waits.join(0.5)
print('waits', waits.is_alive())
one.commit()
waits.join()
print('changed', b.rowcount)
b.execute("set statement_timeout = '200ms'")
try:
    b.execute('select pg_sleep(10)')
except psycopg2.errors.QueryCanceled as e:
    print(type(e).__name__)
control('-m', 'immediate', 'stop')
control('-o', '-p 5555 -k /tmp -c fsync=off', 'start')
three = connect('127.0.0.1').cursor()
three.execute('select count(*), min(n) from t')
print(three.fetchone())
control('-m', 'fast', 'stop')
""", timeout=120)
    assert (result.status, result.out) == (0, """0
start 0
(100, 4950, '999999')
['news']
waits True
changed 0
QueryCanceled
stop 0
start 0
(100, -1)
stop 0
"""), result


def test_gunicorn_and_curl(inside):
    assert inside(WAIT + """
open('app.py', 'w').write('''
def app(environ, start_response):
    body = environ['wsgi.input'].read()
    start_response('200 OK', [('Content-Type', 'text/plain'), ('X-Length', str(len(body)))])
    return [environ['REQUEST_METHOD'].encode(), b' ', environ['PATH_INFO'].encode()]
''')
def curl(*arguments):
    done = subprocess.run(['curl', '-sS', *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout
for address, host in (['-b', '127.0.0.1:8001'], '127.0.0.1'), (['--threads', '4', '-b', '[::1]:8001'], '[::1]'):
    server = subprocess.Popen(['gunicorn', '-w', '2', *address, '--log-level', 'critical', 'app:app'])
    until_it_listens(8001, host.strip('[]'))
    print(curl(f'http://{host}:8001/a'), curl('-X', 'PUT', '-o', '/dev/null', '-w', '%{http_code} %header{x-length}',
                                             '--data-binary', '@/usr/bin/env', f'http://{host}:8001/b')[1].split()[0])
    print(curl('-Z', *[f'http://{host}:8001/{i}' for i in range(4)])[1].count('GET'))
    server.terminate()
    print(server.wait())
print(curl('http://127.0.0.1:8001/')[0])
""") == "(0, 'GET /a') 200\n4\n0\n" * 2 + "7\n"


def test_uvicorn_and_httpx(inside):
    assert inside(WAIT + """
open('app.py', 'w').write('''
async def app(scope, receive, send):
    while scope['type'] == 'lifespan':
        told = (await receive())['type']
        await send({'type': told + '.complete'})
        if told == 'lifespan.shutdown':
            return
    body, more = b'', True
    while more:
        told = await receive()
        body, more = body + told.get('body', b''), told.get('more_body')
    await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'x-length', str(len(body)).encode())]})
    await send({'type': 'http.response.body', 'body': scope['method'].encode() + b' ', 'more_body': True})
    await send({'type': 'http.response.body', 'body': scope['path'].encode()})
''')
import httpx
server = subprocess.Popen(['python3', '-m', 'uvicorn', '--port', '8010', '--log-level', 'warning', 'app:app'])
until_it_listens(8010)
with httpx.Client(base_url='http://127.0.0.1:8010') as c:
    r = c.get('/a'); print(r.status_code, r.text)
    r = c.post('/b', content=b'x' * 300000); print(r.text, r.headers['x-length'])
server.terminate()
print(server.wait())
""") == "200 GET /a\nPOST /b 300000\n0\n"


def test_http_server_of_the_standard_library(inside):
    assert inside(WAIT + """
open('page.txt', 'w').write('0123456789' * 20000)
server = subprocess.Popen(['python3', '-m', 'http.server', '8003', '-b', '127.0.0.1'], stderr=subprocess.DEVNULL)
until_it_listens(8003)
def curl(*arguments):
    return subprocess.run(['curl', '-s', *arguments], capture_output=True, text=True).stdout
print(len(curl('http://127.0.0.1:8003/page.txt')), curl('-o', '/dev/null', '-w', '%{http_code}', 'http://127.0.0.1:8003/none'),
      'page.txt' in curl('http://127.0.0.1:8003/'), len(curl('--limit-rate', '100k', 'http://127.0.0.1:8003/page.txt')))
server.terminate()
print(server.wait())
""") == "200000 404 True 200000\n-15\n"


def test_a_manager_over_tcp(terrarium, tmp_path):
    (tmp_path / "manager.py").write_text("""
import multiprocessing, multiprocessing.managers, threading
class Manager(multiprocessing.managers.BaseManager):
    pass
def serve(ready):
    queue = multiprocessing.managers.queue.Queue()
    Manager.register('queue', callable=lambda: queue)
    server = Manager(('127.0.0.1', 5678), authkey=b'key').get_server()
    ready.set()
    server.serve_forever()
def work(n):
    Manager.register('queue')
    m = Manager(('127.0.0.1', 5678), authkey=b'key')
    m.connect()
    m.queue().put(n * n)
if __name__ == '__main__':
    ready = multiprocessing.Event()
    server = multiprocessing.Process(target=serve, args=(ready,))
    server.start()
    ready.wait()
    workers = [multiprocessing.Process(target=work, args=(n,)) for n in range(4)]
    for w in workers: w.start()
    for w in workers: w.join()
    Manager.register('queue')
    m = Manager(('127.0.0.1', 5678), authkey=b'key')
    m.connect()
    print(sorted(m.queue().get() for _ in range(4)))
    try:
        Manager(('127.0.0.1', 5678), authkey=b'wrong').connect()
    except multiprocessing.AuthenticationError as e:
        print(e)
    server.terminate()
    server.join()
    print(server.exitcode)
""")
    result = terrarium("run", str(tmp_path / "manager.py"))
    assert (result.status, result.out) == (0, "[0, 1, 4, 9]\ndigest sent was rejected\n-15\n"), result
