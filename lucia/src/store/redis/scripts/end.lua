-- Ends a session. Returns `ended` if this call has ended it, `ending` if another one has, `unknown` if it is
-- not there; and the ids of others that have ended.
local id, call = unpack(ARGV)
local value = redis.call('HGET', index, id)
local outcome = 'unknown'
if value and lives(value) then
  finish(id, value, call)
  outcome = 'ended'
elseif value then
  outcome = ended_by(value, call) and 'ended' or 'ending'
end
return { outcome, left_behind() }
