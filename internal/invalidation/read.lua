-- Reads up to ARGV[2] records from ARGV[1] inclusively and returns {history, records}. KEYS[1] the log.
-- Trimming nothing is a write all the same, so that a replica, or a master without the replicas it needs, refuses to vouch for the log.
redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', '9007199254740992')
local info = redis.pcall('INFO', 'replication')
local history = type(info) == 'string' and info:match('master_replid:(%x+)') or ''
return {history, redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])}
