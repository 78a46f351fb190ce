--- https: whom we trust, and what a refusal says.
local cli = require "cli"
local tap = require "tap"

if cli.shell("command -v openssl").status ~= 0 then
  tap.skip("TLS", "no openssl program makes certificates and serves with them")
  tap.done()
  return
end

local PORT_TRIES <const> = 5

local function certificate(name, host)
  local made = cli.shell(string.format(
    "openssl req -x509 -newkey rsa:2048 -nodes -keyout %s.key -out %s.pem -days 2 "
    .. "-subj /CN=%s -addext subjectAltName=DNS:%s", name, name, host, host))
  assert(made.status == 0, made.err)
end

-- Serves the working folder's files by their names over TLS.
local function serve(name)
  for _ = 1, PORT_TRIES do
    local port = math.random(20000, 40000)
    local started = cli.shell(string.format(
      "(openssl s_server -accept 127.0.0.1:%d -key %s.key -cert %s.pem -WWW </dev/null >%s.log 2>&1"
      .. " & echo $! >%s.pid); for i in $(seq 100); do grep -q ACCEPT %s.log && exit 0; sleep 0.05; "
      .. "done; exit 1", port, name, name, name, name, name))
    if started.status == 0 then return port end
  end
  error("openssl s_server does not start: " .. cli.read(cli.path(name .. ".log")))
end

local function stop(name)
  cli.shell(string.format("kill $(cat %s.pid)", name))
end

math.randomseed(os.time())
certificate("right", "localhost")
certificate("wrong", "elsewhere.example")
assert(cli.shell("mkdir -p v1 health").status == 0)
cli.write(cli.path "v1/models", '{"object":"list","data":[{"id":"m","object":"model"}]}')
local right, wrong = serve "right", serve "wrong"

local function load(url, ...)
  return cli.run { "load.lua", "--url", url, "--users", "1", "--seconds", "1", "--n_prompt", "8",
                   "--store", "none", "--quiet", ... }
end

local function refused(url, words, ...)
  local result = load(url, ...)
  tap.equal(result.status, 4, result.out .. result.err)
  cli.one_line(result.err, "(tls)", words, "--ca_file")
end

tap.test("a certificate of nobody we know is refused, and what to do is said", function()
  refused("https://localhost:" .. right, "certificate")
end)

tap.test("a certificate for another name is refused, also by who trusts its authority", function()
  refused("https://localhost:" .. wrong, "localhost", "--ca_file", cli.path "wrong.pem")
end)

tap.test("a file of certificates that is none is refused", function()
  cli.write(cli.path "none.pem", "nothing\n")
  local result = load("https://localhost:" .. right, "--ca_file", cli.path "none.pem")
  tap.equal(result.status, 4, result.out .. result.err)
  cli.one_line(result.err, "none.pem")
end)

tap.test("a certificate in ca_file is trusted: the answer's body comes", function()
  local script = cli.write(cli.path "get.lua", [[
    local http = require "woolly.http"
    local answer = assert(http.request("GET", arg[1], nil, nil, { ca_file = arg[2], first_s = 5 }))
    print(answer.status, answer.failure, answer.body)]])
  local result = cli.run { script, "https://localhost:" .. right .. "/v1/models",
                           cli.path "right.pem" }
  tap.contains(result.out, "200\tnil\t{\"object\"", result.err)
end)

tap.test("http:// at a port that wants https says so", function()
  local result = load("http://localhost:" .. right)
  tap.equal(result.status, 4, result.out .. result.err)
  cli.one_line(result.err, "https")
end)

tap.test("https:// at a port of plain HTTP, and at no port", function()
  local result = load "https://127.0.0.1:9"
  tap.equal(result.status, 4)
  cli.one_line(result.err, "(connect)", "Is it running")
end)

tap.test("contract.lua ends at once where nobody answers", function()
  local result = cli.run { "contract.lua", "--url", "https://localhost:" .. right, "--quiet" }
  tap.equal(result.status, 4, result.out .. result.err)
  cli.one_line(result.err, "(tls)", "--ca_file")
end)

stop "right"
stop "wrong"
cli.clean_up()
tap.done()
