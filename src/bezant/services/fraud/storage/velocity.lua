-- Counts payments for the entities of a group and answers each entity's velocity, in order.
--
-- KEYS: the hash tag that all keys of the call start with. The keys themselves are made here: an entity's counters
--       (:b), its partners (:p), the payments counted in a slice of time (c), and whether the tag's history is whole
--       (m). They lie in the tag's slot, and naming each of them would cost the client more than all the rest.
-- ARGV: 1 the observations, MessagePack: a list of [entity, partner, pair, payment id, time in ms, amount, counts,
--       how many payments, time of the first of them]; `pair` is the entity of a pair or false;
--       2 seconds for which a payment id is remembered at least, 3 seconds entities are remembered, 4 most partners
--       kept, 5 to 8 bucket widths in ms.
-- Answer, MessagePack: [1 if the history is whole or 0, list of velocities]. A velocity is count and sum for each
--       window, partners for each window, age in ms, and count, sum and largest amount of earlier payments. An
--       observation with a pair answers two, the pair's after its own.
--
-- Counters are one flat list: first seen, count, sum, largest, then for each window the number of buckets and
-- [bucket, count, sum] of each. A payment that was counted before is not counted again: its velocity is the same
-- as the first time, but for what happened since.
local tag = KEYS[1]
local horizon_ms, entity_seconds, partner_limit = tonumber(ARGV[2]) * 1000, ARGV[3], tonumber(ARGV[4])
local widths = {tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])}
local BUCKETS, WINDOWS, HEADER = 12, 4, 4
local rings, changed, touched, counted = {}, {}, {}, {}
local answers, answered = {}, 0
local floor = math.floor

local function ring_at(key)
  local ring = rings[key]
  if not ring then
    local stored = redis.call('GET', key)
    ring = stored and cmsgpack.unpack(stored) or {0, 0, 0, 0, 0, 0, 0, 0}
    rings[key] = ring
  end
  return ring
end

-- Returns the list with a new bucket in each window that is named in `fresh`, and without those that have aged out.
local function with_buckets(ring, at, fresh, count, amount)
  local kept, length, from = {ring[1], ring[2], ring[3], ring[4]}, HEADER, HEADER + 1
  for w = 1, WINDOWS do
    local last, current = from + 3 * ring[from], floor(at / widths[w])
    local newest = current
    for n = from + 1, last, 3 do
      if ring[n] > newest then newest = ring[n] end
    end
    length = length + 1
    local place, buckets = length, 0
    for n = from + 1, last, 3 do
      if ring[n] >= newest - BUCKETS then
        kept[length + 1], kept[length + 2], kept[length + 3] = ring[n], ring[n + 1], ring[n + 2]
        length, buckets = length + 3, buckets + 1
      end
    end
    if fresh[w] and current >= newest - BUCKETS then
      kept[length + 1], kept[length + 2], kept[length + 3] = current, count, amount
      length, buckets = length + 3, buckets + 1
    end
    kept[place] = buckets
    from = last + 1
  end
  return kept
end

-- `known` is true for a payment that the counters hold already, `add` when it is to be counted now.
local function observe(key, at, amount, count, first, known, add)
  local ring, answer = ring_at(key), {}
  local own_count, own_amount, from = known and 0 or count, known and 0 or amount, HEADER + 1
  local fresh = false
  for w = 1, WINDOWS do
    local total, sum, last = own_count, own_amount, from + 3 * ring[from]
    local current, own = floor(at / widths[w]), nil
    for n = from + 1, last, 3 do
      local bucket = ring[n]
      if bucket >= current - BUCKETS then
        total, sum = total + ring[n + 1], sum + ring[n + 2]
        if bucket == current then own = n end
      end
    end
    answer[2 * w - 1], answer[2 * w] = total, sum
    if add then
      if own then
        ring[own + 1], ring[own + 2] = ring[own + 1] + count, ring[own + 2] + amount
      else
        fresh = fresh or {}
        fresh[w] = true
      end
    end
    from = last + 1
  end
  local had, earlier_sum = ring[2], ring[3]
  if known then
    had, earlier_sum = math.max(0, had - count), math.max(0, earlier_sum - amount)
  end
  answer[9], answer[10], answer[11], answer[12] = 0, 0, 0, 0
  answer[13] = ring[2] > 0 and math.max(0, at - ring[1]) or 0
  answer[14], answer[15], answer[16] = had, earlier_sum, had > 0 and ring[4] or 0
  if add then
    if fresh then
      ring = with_buckets(ring, at, fresh, count, amount)
      rings[key] = ring
    end
    if ring[2] == 0 or first < ring[1] then ring[1] = first end
    ring[2], ring[3] = ring[2] + count, ring[3] + amount
    ring[4] = math.max(ring[4], amount / count)
    changed[key] = true
  end
  return answer, fresh
end

-- Distinct partners: windows in which nothing more happened than in the one before need not be counted again.
local function count_partners(answer, key, partner, at, count, add, fresh)
  if add then
    if redis.call('ZADD', key, 'GT', at, partner) == 1 then
      redis.call('ZREMRANGEBYRANK', key, 0, -(partner_limit + 1))
      touched[key] = entity_seconds
    elseif fresh and fresh[3] then
      touched[key] = entity_seconds
    end
  end
  local last = not add and redis.call('ZSCORE', key, partner)
  for w = 1, WINDOWS do
    local payments = answer[2 * w - 1]
    if payments <= count then
      answer[8 + w] = 1
    elseif w > 1 and payments == answer[2 * w - 3] then
      answer[8 + w] = answer[7 + w]
    else
      local since = at - BUCKETS * widths[w]
      local found = redis.call('ZCOUNT', key, since, '+inf')
      if not add and (not last or tonumber(last) < since) then found = found + 1 end
      answer[8 + w] = found
    end
  end
end

for _, observation in ipairs(cmsgpack.unpack(ARGV[1])) do
  local entity, partner, pair, payment, at, amount, counts, count, first = unpack(observation)
  local known = counted[payment]
  if known == nil then
    known = false
    if counts then
      local slice = tag .. 'c' .. floor(at / horizon_ms)
      known = redis.call('SADD', slice, payment) == 0
      touched[slice] = ARGV[2] * 2
    end
    counted[payment] = known
  end
  local add = counts and not known
  local key = tag .. entity
  local answer, fresh = observe(key .. ':b', at, amount, count, first, known, add)
  count_partners(answer, key .. ':p', partner, at, count, add, fresh)
  answered = answered + 1
  answers[answered] = answer
  if pair then
    answered = answered + 1
    answers[answered] = (observe(tag .. pair .. ':b', at, amount, count, first, known, add))
  end
end

for key in pairs(changed) do
  redis.call('SET', key, cmsgpack.pack(rings[key]), 'EX', entity_seconds)
end
for key, seconds in pairs(touched) do
  redis.call('EXPIRE', key, seconds)
end
return cmsgpack.pack({redis.call('EXISTS', tag .. 'm'), answers})
