-- What wrk asks for: `wrk … -- PREFIX KEYS ORDER`. One key is asked for as wrk does by itself. Of several, "random" asks for
-- PREFIX1 to PREFIX<KEYS> at random, and "once" for a new one each time.
local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("id", threads)
end

local function line(path)
  return "GET " .. path .. " HTTP/1.1\r\nHost: shop.example\r\n\r\n"
end

function init(args)
  local prefix, keys, order = args[1], tonumber(args[2]), args[3]
  wrk.headers["Host"] = "shop.example"
  wrk.path = prefix .. "1"
  if order == "once" then
    local n = 0
    request = function()
      n = n + 1
      return line(prefix .. id .. "-" .. n)
    end
  elseif keys > 1 then
    math.randomseed(id)
    local lines = {}
    for i = 1, keys do lines[i] = line(prefix .. i) end
    request = function() return lines[math.random(keys)] end
  end
end

function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format("figures %d %d %d %d\n", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(99)))
end
