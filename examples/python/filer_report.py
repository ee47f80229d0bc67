#!/usr/bin/env python3
"""Reports to an ip-server and prints the directory as it is pulled and broadcast, until Ctrl-C.

    filer_report.py HOME [KEY=VALUE ...]

HOME is the folder of a filer-client that has joined: its key.pem, cert.pem and membership.json are read,
nothing is written. docs/protocol.md explains every step.
"""
import base64, hashlib, json, pathlib, secrets, socket, ssl, struct, sys, time

home, values = pathlib.Path(sys.argv[1]), [argument.split('=', 1) for argument in sys.argv[2:]]
joined, names = json.loads((home / 'membership.json').read_text()), {}

def public_key_info(certificate):
    """The SubjectPublicKeyInfo of a certificate: the seventh field of what is signed in it (RFC 5280)."""
    def value(at):  # where the value of the DER element at `at` begins and ends
        size, more = certificate[at + 1], 0
        if size > 127:
            more = size & 127
            size = int.from_bytes(certificate[at + 2:at + 2 + more], 'big')
        return at + 2 + more, at + 2 + more + size
    at = value(value(0)[0])[0]
    for _ in ('version', 'serial', 'algorithm', 'issuer', 'validity', 'subject'):
        at = value(at)[1]
    return certificate[at:value(at)[1]]

def send(header, content=b''):
    head = json.dumps(header).encode()
    wire.sendall(struct.pack('>II', len(head), len(content)) + head + content)

def receive():
    sizes = struct.unpack('>II', reader.read(8) or sys.exit('the server closed the connection'))
    return json.loads(reader.read(sizes[0]) or '{}'), reader.read(sizes[1])

def show(entries, at=0):
    while at < len(entries):
        kind, handle = struct.unpack_from('>BI', entries, at)
        if kind == 3:
            print('presence', names.get(handle), ('lost', 'online', 'stopped', 'gone')[entries[at + 5]], flush=True)
            at += 12
            continue
        end = at + 9 + struct.unpack_from('>I', entries, at + 5)[0]
        document, at = json.loads(entries[at + 9:end]), end
        if kind == 1:
            names[handle] = ascii(document['name'])
        word, what = ('member', 'id') if kind == 1 else ('record', 'addresses')
        print(word, names.get(handle), ascii(document[what]), flush=True)

context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.minimum_version = ssl.TLSVersion.TLSv1_3
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the key is compared below
context.set_alpn_protocols(['filer/1'])
context.load_cert_chain(home / 'cert.pem', home / 'key.pem')
host, port = joined['server']['addresses'][0].rsplit(':', 1)
wire = context.wrap_socket(socket.create_connection((host.strip('[]'), int(port)), timeout=60))
digest = hashlib.sha256(public_key_info(wire.getpeercert(binary_form=True))).digest()
if base64.b32encode(digest).decode().rstrip('=') != joined['server']['id']:
    sys.exit('this is not the server that was joined')
if wire.selected_alpn_protocol() != 'filer/1':
    sys.exit('this server does not speak filer/1')
reader = wire.makefile('rb')
send({'type': 'hello', 'id': '0', 'versions': '1', 'role': 'command', 'subscribe': 'directory',
      'network': joined['membership']['network']})
while True:
    header, content = receive()
    if header['type'] == 'welcome':
        send({'type': 'report', 'id': '1', 'spool': secrets.token_hex(16), 'seq': '1', 'kind': 'user',
              'time': str(int(time.time() * 1000))}, json.dumps({'title': 'Python', 'values': values}).encode())
    elif header['type'] == 'directory':
        show(content)
    if header['type'] == 'welcome' or 'partial' in header:
        seq = header['seq'] if 'from' in header else '0'  # from the beginning, then page by page
        send({'type': 'directory-get', 'id': '2', 'epoch': header['epoch'], 'seq': seq})
    elif header['type'] == 'ping':
        send({'type': 'pong'})
    elif header['type'] in ('stored', 'error'):
        print(header['type'], ascii(header.get('message', '')), flush=True)
