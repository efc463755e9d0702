-- Ends a session. Returns `ended` if this call has ended it, `ending` if another one has, `unknown` if it is
-- not there; and the abandoned ones.
local id, call = unpack(ARGV)
local left = abandoned()
local value = redis.call('HGET', index, id)
if not value then return { 'unknown', left } end
if lives(value) then
  finish(id, value, call)
  return { 'ended', left }
end
return { ended_by(value, call) and 'ended' or 'ending', left }
