-- Counts payments for the entities of a group and answers each payment's velocity, in order.
--
-- KEYS: the hash tag that all keys of the call start with. The keys themselves are made here, an entity's buckets
--       (:b), its partners (:p) and the payments it has counted (:c): they lie in the tag's slot, and naming each
--       of them would cost the client more than all the rest.
-- ARGV: 1 the observations, MessagePack: a list of [entity, payment id, partner, time in ms, amount, counts];
--       2 seconds a counted payment id is remembered, 3 seconds partners are remembered, 4 most partners kept,
--       5 to 7 bucket widths in ms.
-- Answer, MessagePack: for each observation [count, sum for each window, partners in 24 h, partner is new].
--
-- A payment that was counted before gets the answer of that time and is not counted again.
local tag = KEYS[1]
local seen_seconds, partner_seconds, partner_limit = ARGV[2], ARGV[3], tonumber(ARGV[4])
local widths = {tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])}
local BUCKETS, DAY_MS = 12, 86400000
local rings, changed, touched = {}, {}, {}
local answers = {}

local function ring_at(key)
  local ring = rings[key]
  if not ring then
    local stored = redis.call('GET', key)
    ring = stored and cmsgpack.unpack(stored) or {{}, {}, {}}
    rings[key] = ring
  end
  return ring
end

local function observe_window(buckets, current, amount)
  local count, sum, own = 1, amount, nil
  for _, bucket in ipairs(buckets) do
    if bucket[1] >= current - BUCKETS then
      count, sum = count + bucket[2], sum + bucket[3]
    end
    if bucket[1] == current then own = bucket end
  end
  return count, sum, own
end

local function with_new_bucket(buckets, current, amount)
  local newest, kept = current, {}
  for _, bucket in ipairs(buckets) do
    if bucket[1] > newest then newest = bucket[1] end
  end
  for _, bucket in ipairs(buckets) do
    if bucket[1] >= newest - BUCKETS then kept[#kept + 1] = bucket end
  end
  if current >= newest - BUCKETS then kept[#kept + 1] = {current, 1, amount} end
  return kept
end

for i, observation in ipairs(cmsgpack.unpack(ARGV[1])) do
  local entity, payment, partner, at, amount, counts = unpack(observation)
  local ring_key = tag .. entity .. ':b'
  local partner_key = tag .. entity .. ':p'
  local seen_key = tag .. entity .. ':c'
  local seen = redis.call('HGET', seen_key, payment)
  if seen then
    answers[i] = cmsgpack.unpack(seen)
  else
    local ring, answer = ring_at(ring_key), {}
    for w = 1, 3 do
      local current = math.floor(at / widths[w])
      local count, sum, own = observe_window(ring[w], current, amount)
      answer[2 * w - 1], answer[2 * w] = count, sum
      if counts then
        if own then
          own[2], own[3] = own[2] + 1, own[3] + amount
        else
          ring[w] = with_new_bucket(ring[w], current, amount)
        end
      end
    end
    local last = redis.call('ZSCORE', partner_key, partner)
    local partners = redis.call('ZCOUNT', partner_key, at - DAY_MS, '+inf')
    if not last or tonumber(last) < at - DAY_MS then partners = partners + 1 end
    answer[7], answer[8] = partners, not last
    if counts then
      changed[ring_key] = true
      redis.call('ZADD', partner_key, 'GT', at, partner)
      if not last then redis.call('ZREMRANGEBYRANK', partner_key, 0, -(partner_limit + 1)) end
      redis.call('HSET', seen_key, payment, cmsgpack.pack(answer))
      touched[partner_key], touched[seen_key] = partner_seconds, seen_seconds
    end
    answers[i] = answer
  end
end

for key in pairs(changed) do
  redis.call('SET', key, cmsgpack.pack(rings[key]), 'PX', (BUCKETS + 2) * widths[3])
end
for key, seconds in pairs(touched) do
  redis.call('EXPIRE', key, seconds)
end
return cmsgpack.pack(answers)
