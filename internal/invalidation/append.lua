-- Appends records to the log and returns {history, generation, id of the last record}.
-- KEYS[1] the log; ARGV: MAXLEN, a fresh generation, the number of broken generations, these, the payloads.
-- A log that is missing, empty, not ours, or broken first gets a record that begins the fresh generation.
local info = redis.pcall('INFO', 'replication')
local history = type(info) == 'string' and info:match('master_replid:(%x+)') or ''

local generation, id = '', ''
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if last then
  id = last[1]
  for i = 1, #last[2], 2 do
    if last[2][i] == 'g' then generation = last[2][i + 1] end
  end
end

local payloads = 4 + tonumber(ARGV[3])
for i = 4, payloads - 1 do
  if ARGV[i] == generation then generation = '' end
end
if generation == '' then
  generation = ARGV[2]
  id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'g', generation)
end
for i = payloads, #ARGV do
  id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'g', generation, 's', ARGV[i])
end
return {history, generation, id}
