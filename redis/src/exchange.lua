-- One exchange of one member with the ledger of one scope: the reference, `LedgerState` of tower-backoff, in Lua.
--
-- KEYS: the state (a hash), the leases (a sorted set), the members whose lease has ended (a sorted set), and one list
-- per declared window. ARGV: the member, and what it says as flat integers (`script.rs` packs and reads them).
-- A function is made anew with each call of the script, so what is rarely needed is defined where it is needed.
-- The clock is read once: it advances within a script on Redis 7.0. All numbers are integers below 2^53, which
-- MessagePack keeps exactly and packs four times faster than text.

local call, format, floor, max, min = redis.call, string.format, math.floor, math.max, math.min
local pack, unpack_numbers = cmsgpack.pack, cmsgpack.unpack
local COST, IN_FLIGHT = 0, 2
local UNLIMITED, MOST_COUNT = 4503599627370496, 4294967295
local MOST_MEMBERS, MOST_AT_ONCE, MOST_GROUPS = 10000, 64, 64
local RETURN = 1000000
local AT_FIRST, ENOUGH = 64, 4096
local PROBE_PATIENCE, FULL_SPEED, CAP_WINDOWS, RAISES = 2000000, 64, 10, 16
local SAME_RESET, ASK_IN_FLIGHT, ASK_SOON = 1200000, 50000, 100000
local DONE, TELL_ALL, LATE = 0, 1, 2

local clock = call('TIME')
local read_at = clock[1] * 1000000 + clock[2]
local now = read_at
local me, said = ARGV[1], unpack_numbers(ARGV[2])

-- What the member says ------------------------------------------------------------------------------------------------

local sequence, last_reply, lease, tells_all, leaves = said[1], said[2], said[3], said[4] == 1, said[5] == 1
local members_known, served, closing, closing_for = said[6], said[7], said[8], said[9]
local has_counter = said[10] == 1
local at = 16
local windows, longest, limits_rate = {}, 0, false
for index = 1, said[16] do
  local window = {
    index = index, key = KEYS[3 + index],
    unit = said[at + 1], limit = said[at + 2], length = said[at + 3], is_plan = said[at + 4] == 1,
  }
  at = at + 4
  windows[index] = window
  longest = max(longest, window.length)
  limits_rate = limits_rate or window.unit ~= IN_FLIGHT
end
local memory = longest + 2 * lease

-- `log` is its place in `said`: pairs of age and count. And what the first call needs of each unit.
local told, first_of = {}, {}
at = at + 1
for index = 1, said[at] do
  told[index] = {
    unit = said[at + 1], held = said[at + 2], settled = said[at + 3], confirmed = said[at + 4],
    in_window = said[at + 5], first = said[at + 6], need = said[at + 7], extra = said[at + 8],
    log = at + 9, entries = said[at + 9],
  }
  first_of[said[at + 1]] = said[at + 6]
  at = at + 9 + 2 * said[at + 9]
end
-- An earlier release says no more, or only the first of these.
local reopens, closing_age, counter_age = said[at + 1] == 1, said[at + 2] or 0, said[at + 3] or 0
local reopened_ago = said[at + 4] or 0

-- The state -----------------------------------------------------------------------------------------------------------

-- The field `state`: seven numbers of each window, then others. What a later release adds to the end is kept.
-- Of a window: its sum; the number of its period, and what was settled in that and in the one before; the last entry,
-- which is written to its list when it does not grow any more (count zero: it is in the list); and a moment before
-- which nothing in the list is free.
local SUMS, BEGAN_AT, REMEMBERED = 1, 2, 3
local UNTIL, CAP_WINDOW, CAP, CAP_AT = 4, 5, 6, 7
-- The slow start: how much may be lent (zero: there is none), what was granted since, and when.
local ALLOW, PROBES, GRANTED_AT = 8, 9, 10
-- The published quota, and whether there is none (0), it is current (1), or its reset has passed (2).
local QUOTA, LEFT, RESETS_AT, PERIOD, QUOTA_LIMIT = 11, 12, 13, 14, 15
-- No lease ends, and no member is forgotten, before these; and when the keys expire.
local ENDS_AT, FORGETS_AT, EXPIRES_AT, LEASED = 16, 17, 18, 19
-- Of unit u at + 2 * u.
local LENT, SETTLED = 20, 21
-- Until when members may return that were alone, and how many; what the server said last; and of unit u at + u: until
-- when a member that got nothing goes first.
local RETURNING_UNTIL, RETURNING, REMAINING, STARVED_UNTIL = 26, 27, 28, 29
-- Of unit u at + u: when that member was granted something last.
local STARVED_SINCE = 32
-- How many members of an earlier ledger were heard.
local RETURNED = 35
-- How much had been settled when a published quota was forgotten last.
local COLD_SINCE = 36
-- How often users have opened the scope.
local REOPENED = 37
-- How far the ledger's time is ahead of the clock, and what it was last.
local AHEAD, LATEST = 38, 39
-- When users have opened the scope last, when the youngest closing was heard, and the youngest counter.
local REOPENED_AT, CLOSED_AT, COUNTED_AT = 40, 41, 42
local LAST = COUNTED_AT
local WINDOW_NUMBERS = 7

-- The fields `m:<member>`: a number each, and four for each unit u, at + 4 * u; then when something was granted last.
local SEQUENCE, LEASED_UNTIL, BOOKED_UNTIL = 1, 2, 3
local M_LENT, M_SETTLED, M_VOID, M_UNHEARD = 4, 5, 6, 7
local SERVED_AT = 16

local stored = call('HMGET', KEYS[1], 'state', 'm:' .. me)

local ahead = 0
local function new_state()
  return { {}, now, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, UNLIMITED, UNLIMITED, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ahead, now, 0, 0, 0 }
end
local function new_record() return { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 } end

-- What an earlier release has written is shorter.
local state = stored[1] and unpack_numbers(stored[1]) or new_state()
local is_known = stored[2] and true or false
local record = is_known and unpack_numbers(stored[2]) or new_record()
record[SERVED_AT] = record[SERVED_AT] or 0
if not state[LAST] then
  for index = #state + 1, LAST do state[index] = 0 end
end
-- Where the clock was set back, time goes on from where it was.
now = now + state[AHEAD]
if now < state[LATEST] then now = state[LATEST] end
ahead = now - read_at
state[AHEAD], state[LATEST] = ahead, now
for index, window in ipairs(windows) do
  local sums, first = state[SUMS], WINDOW_NUMBERS * (index - 1) + 1
  window.sum, window.current, window.before = sums[first] or 0, sums[first + 2] or 0, sums[first + 3] or 0
  window.last_at, window.last_count = sums[first + 4] or 0, sums[first + 5] or 0
  window.full_until = sums[first + 6] or 0
  window.period = floor(now / max(1, window.length))
  local period = sums[first + 1] or 0
  if period ~= window.period then
    window.before = period + 1 == window.period and window.current or 0
    window.current = 0
  end
end

-- Writes the state and a further field. The keys expire some time after the last exchange, which is not set each time.
local function write(field, value)
  local last, sums = longest, state[SUMS]
  for index, window in ipairs(windows) do
    local first = WINDOW_NUMBERS * (index - 1) + 1
    sums[first], sums[first + 1], sums[first + 2], sums[first + 3] =
      window.sum, window.period, window.current, window.before
    sums[first + 4], sums[first + 5], sums[first + 6] = window.last_at, window.last_count, window.full_until
  end
  last = max(last, state[UNTIL] - now)
  if state[QUOTA] > 0 then last = max(last, state[RESETS_AT] + state[PERIOD] - now) end
  last = last + 2 * lease
  local expire
  if now + last > state[EXPIRES_AT] then
    local longer = last + floor(last / 4)
    state[EXPIRES_AT] = now + longer
    expire = format('%.0f', floor(longer / 1000) + 1)
  end
  if field then
    call('HSET', KEYS[1], 'state', pack(state), field, value)
  else
    call('HSET', KEYS[1], 'state', pack(state))
  end
  if expire then
    for _, key in ipairs(KEYS) do call('PEXPIRE', key, expire) end
  else
    -- A list that was empty is a new key.
    for _, window in ipairs(windows) do
      if window.is_new then
        call('PEXPIRE', window.key, format('%.0f', floor((state[EXPIRES_AT] - now) / 1000) + 1))
      end
    end
  end
end

-- The logs of the windows: pairs of moment and count, oldest first ----------------------------------------------------

local function entry(packed)
  if not packed then return nil end
  local settled_at, count = unpack_numbers(packed)
  return { at = settled_at, count = count }
end

-- Writes the last entry to the list.
local function flush_last(window)
  if window.last_count == 0 then return end
  -- The first entry makes the key.
  window.is_new = call('RPUSH', window.key, pack(window.last_at, window.last_count)) == 1 or window.is_new
  window.last_count = 0
end

local function add(window, settled_at, count)
  local step = max(1, floor(window.length / 256))
  settled_at = floor((settled_at + step - 1) / step) * step
  if count == 0 or settled_at + window.length <= now then return end
  if window.last_count == 0 and window.sum > 0 then
    -- The last one may have been written, and may grow again.
    local last = entry(call('LINDEX', window.key, -1))
    if last and settled_at <= last.at then
      call('LSET', window.key, -1, pack(last.at, last.count + count))
      window.sum, window.current = window.sum + count, window.current + count
      return
    end
  end
  window.sum, window.current = window.sum + count, window.current + count
  if window.last_count > 0 and settled_at <= window.last_at then
    window.last_count = window.last_count + count
  else
    flush_last(window)
    window.last_at, window.last_count = settled_at, count
  end
end

local function settle(unit, settled_at, count)
  for _, window in ipairs(windows) do
    if window.unit == unit and window.length > 0 then add(window, settled_at, count) end
  end
end

-- Returns whether the list is there: it may have been evicted.
local function free_expired(window)
  if now < window.full_until then return true end
  while window.sum > window.last_count do
    local oldest = entry(call('LINDEX', window.key, 0))
    if not oldest then return false end
    window.full_until = oldest.at + window.length
    if now < window.full_until then return true end
    call('LPOP', window.key)
    window.sum = max(window.last_count, window.sum - oldest.count)
  end
  if window.last_count > 0 and window.last_at + window.length <= now then
    window.sum, window.last_count = 0, 0
  end
  return true
end

-- How much is free ----------------------------------------------------------------------------------------------------

local function binds(window, unit)
  return window.unit == unit and not (window.is_plan and unit == COST and state[QUOTA] == 1)
end

-- The learned limit: after ten windows without a refusal a sixteenth of the declared one is added with each window.
local function cap_in(window)
  local raises = floor((now - state[CAP_AT]) / max(1, window.length)) + 1 - CAP_WINDOWS
  return state[CAP] + max(0, min(raises, RAISES)) * floor((window.limit + RAISES - 1) / RAISES)
end

local function free_in(window)
  local limit = window.limit
  -- A call that is dearer than the learned limit goes when the window is empty.
  if state[CAP] > 0 and state[CAP_WINDOW] == window.index then
    limit = min(limit, max(cap_in(window), first_of[window.unit] or 0))
  end
  local free = limit - window.sum - state[LENT + 2 * window.unit]
  return free > 0 and free or 0, limit
end

-- What may be granted of the published quota. When all is quiet, one call has a look.
local function left()
  if state[LENT] == 0 and state[REMAINING] > 0 and state[QUOTA] == 1 then return max(1, state[LEFT]) end
  return state[LEFT]
end

-- How much is free now, and the least limit.
local function free_of(unit)
  local free, limit = UNLIMITED, UNLIMITED
  for _, window in ipairs(windows) do
    if binds(window, unit) then
      local here, its_limit = free_in(window)
      if here < free then free = here end
      if its_limit < limit then limit = its_limit end
    end
  end
  if unit == COST and state[QUOTA] > 0 then free, limit = min(free, left()), min(limit, state[QUOTA_LIMIT]) end
  return free, limit
end

local function reply(done, ask_again_in, grants)
  local flat = {
    done, read_at, max(0, state[UNTIL] - now), state[LEASED], state[SETTLED],
    min((free_of(COST)), MOST_COUNT), ask_again_in, state[QUOTA] == 1 and 1 or 0,
  }
  local size = 8
  for index = 1, #told do
    local groups = grants and grants[index] or {}
    size = size + 1
    flat[size] = #groups / 2
    for _, number in ipairs(groups) do
      size = size + 1
      flat[size] = number
    end
  end
  -- What a member of an earlier release does not read.
  flat[size + 1] = state[REOPENED]
  for index, window in ipairs(windows) do
    local free = free_in(window)
    flat[size + 1 + index] = window.unit == COST and state[QUOTA] > 0 and min(free, left()) or free
  end
  return flat
end

-- Nothing is known: of a key that was evicted the others are no use.
local function forget_all()
  call('DEL', unpack(KEYS))
  state = new_state()
  for _, window in ipairs(windows) do
    window.sum, window.current, window.before, window.last_count, window.full_until = 0, 0, 0, 0, 0
  end
  state[REMEMBERED] = max(1, members_known)
  write()
  return reply(TELL_ALL, 0)
end

-- What time has brought -----------------------------------------------------------------------------------------------

-- Without the state, what is left of the other keys was evicted, too. It is written first: after a deletion the server
-- would not check any more whether there is memory.
if not stored[1] then
  call('HSET', KEYS[1], 'state', pack(state))
  call('DEL', unpack(KEYS, 2))
end

for _, window in ipairs(windows) do
  if window.length > 0 and not free_expired(window) then return forget_all() end
end
if state[QUOTA] > 0 and now >= state[RESETS_AT] then
  if now >= state[RESETS_AT] + state[PERIOD] then
    state[QUOTA], state[COLD_SINCE] = 0, state[SETTLED]
  elseif state[QUOTA] == 1 then
    state[QUOTA], state[LEFT] = 2, max(0, state[QUOTA_LIMIT] - state[LENT])
  end
end
if state[CAP] > 0 then
  local window = windows[state[CAP_WINDOW]]
  if not window or cap_in(window) >= window.limit then state[CAP] = 0 end
end

if now >= state[ENDS_AT] or now >= state[FORGETS_AT] then
  -- The first moment in a sorted set.
  local function first_in(key)
    local first = call('ZRANGEBYSCORE', key, '-inf', '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    return tonumber(first[2] or UNLIMITED)
  end

  if now >= state[ENDS_AT] then
    local function end_lease(member, lease_end)
      state[LEASED] = state[LEASED] - call('ZREM', KEYS[2], member)
      local lapsed = record
      if member ~= me then
        local packed = call('HGET', KEYS[1], 'm:' .. member)
        if not packed then return end
        lapsed = unpack_numbers(packed)
      end
      for unit = 0, 2 do
        local rest = lapsed[M_LENT + 4 * unit]
        if unit ~= IN_FLIGHT then lapsed[M_VOID + 4 * unit] = lapsed[M_VOID + 4 * unit] + rest end
        lapsed[M_LENT + 4 * unit], lapsed[M_UNHEARD + 4 * unit] = 0, 0
        settle(unit, now, rest)
        state[LENT + 2 * unit] = max(0, state[LENT + 2 * unit] - rest)
        state[SETTLED + 2 * unit] = state[SETTLED + 2 * unit] + rest
      end
      lapsed[LEASED_UNTIL] = lease_end + memory
      call('HSET', KEYS[1], 'm:' .. member, pack(lapsed))
      if call('ZADD', KEYS[3], lapsed[LEASED_UNTIL], member) == 1 then state[EXPIRES_AT] = 0 end
      state[FORGETS_AT] = min(state[FORGETS_AT], lapsed[LEASED_UNTIL])
    end
    local ended = call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'WITHSCORES', 'LIMIT', 0, MOST_AT_ONCE)
    for index = 1, #ended, 2 do end_lease(ended[index], tonumber(ended[index + 1])) end
    state[ENDS_AT] = first_in(KEYS[2])
  end
  if now >= state[FORGETS_AT] then
    for _, member in ipairs(call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, MOST_AT_ONCE)) do
      call('ZREM', KEYS[3], member)
      call('HDEL', KEYS[1], 'm:' .. member)
      if member == me then is_known, record = false, new_record() end
    end
    state[FORGETS_AT] = first_in(KEYS[3])
  end
end

local function finish(flat)
  write()
  return flat
end

-- Closings and probes -------------------------------------------------------------------------------------------------

local note_closing
if closing > 0 then
  -- What the fleet had of its fullest window.
  local function learn_cap()
    local fullest, most
    for _, window in ipairs(windows) do
      if window.unit == COST and window.length > 0 then
        local had = max(window.sum + floor(state[LENT] / 2), window.current, window.before)
        local full = floor(min(had, 4294967296) * 1000 / max(1, window.limit))
        if not most or full > most then
          most, fullest = full, { window.index, max(1, had) }
        end
      end
    end
    state[CAP] = 0
    if fullest then state[CAP_WINDOW], state[CAP], state[CAP_AT] = fullest[1], fullest[2], now end
  end

  function note_closing()
    if closing == 2 and now >= state[UNTIL] then
      if state[CAP] > 0 and state[ALLOW] == 1 then state[CAP_AT] = now else learn_cap() end
      state[ALLOW], state[PROBES], state[GRANTED_AT] = 1, 0, 0
    end
    if now + closing_for > state[UNTIL] then
      state[UNTIL] = now + closing_for
      call('PUBLISH', string.sub(KEYS[1], 1, -2) .. 'c', format('%.0f', closing_for))
    end
  end
end

-- Late, unknown, or knowing more than the ledger ----------------------------------------------------------------------

if is_known and sequence <= record[SEQUENCE] then return finish(reply(LATE, 0)) end
local has_returned = false
if not is_known then
  if state[LEASED] + call('ZCARD', KEYS[3]) >= MOST_MEMBERS then return finish(reply(LATE, 0)) end
  has_returned = members_known > 1
  for _, account in ipairs(told) do has_returned = has_returned or account.settled > 0 or account.confirmed > 0 end
  if has_returned then state[REMEMBERED] = max(state[REMEMBERED], members_known, 1) end
end
-- By a clock by which no less time passes than by any other, however often the clock was set back.
local function heard_at(age) return max(0, now + ahead - age) end
-- A user says that the server serves again: what refusals and counters have taught is wrong. A member that was alone, or
-- heard no reply, says it late: what was heard since the user did it stands.
if reopens then
  local reopened_at = heard_at(reopened_ago)
  if state[CLOSED_AT] <= reopened_at then
    state[UNTIL], state[CAP], state[ALLOW], state[PROBES], state[GRANTED_AT] = 0, 0, 1, 0, 0
  end
  if state[QUOTA] > 0 and state[COUNTED_AT] <= reopened_at then
    state[QUOTA], state[COLD_SINCE] = 0, state[SETTLED]
  end
  state[REOPENED], state[REOPENED_AT] = state[REOPENED] + 1, max(state[REOPENED_AT], reopened_at)
end
-- What a member has heard before that, and says only now, is not noted.
if note_closing then
  if heard_at(closing_age) < state[REOPENED_AT] then
    note_closing = nil
  else
    state[CLOSED_AT] = max(state[CLOSED_AT], heard_at(closing_age))
  end
end
if heard_at(counter_age) < state[REOPENED_AT] then has_counter = false end
if not tells_all then
  for _, account in ipairs(told) do
    if record[M_SETTLED + 4 * account.unit] < account.confirmed then
      if note_closing then note_closing() end
      return finish(reply(TELL_ALL, 0))
    end
  end
end

-- What the others have sent meanwhile is not known until they have told it.
if tells_all then state[RETURNING_UNTIL], state[RETURNING] = now + RETURN, members_known end
if has_returned then state[RETURNED] = state[RETURNED] + 1 end

-- What it holds and has settled ---------------------------------------------------------------------------------------

local was_here = record[SEQUENCE] > 0
local has_heard = last_reply >= record[SEQUENCE] or now >= record[BOOKED_UNTIL]
for _, account in ipairs(told) do
  local unit = account.unit
  local of_member, of_all = 4 * unit, 2 * unit
  if has_heard then record[M_UNHEARD + of_member] = 0 end
  local newly = max(0, account.settled - record[M_SETTLED + of_member])
  record[M_SETTLED + of_member] = max(record[M_SETTLED + of_member], account.settled)
  local void = record[M_VOID + of_member]
  local covered = min(newly, void)
  newly, void = newly - covered, void - covered

  local counted = 0
  if account.entries > 0 then
    local first, last = account.log + 1, account.log + 2 * account.entries
    for index = first, last, 2 do counted = counted + said[index + 1] end
    local known = max(0, counted - newly)
    counted = counted - known
    for index = first, last, 2 do
      local was_known = min(known, said[index + 1])
      known = known - was_known
      settle(unit, max(0, now - said[index]), said[index + 1] - was_known)
    end
  end
  state[SETTLED + of_all] = state[SETTLED + of_all] + (was_here and newly or counted)

  local before = record[M_LENT + of_member]
  void = min(void, account.held)
  local after = account.held - void
  record[M_VOID + of_member], record[M_LENT + of_member] = void, after
  local returned = max(0, before - after - newly)
  local lost = min(returned, record[M_UNHEARD + of_member])
  if lost > 0 then
    record[M_UNHEARD + of_member] = record[M_UNHEARD + of_member] - lost
    settle(unit, now, lost)
  end
  state[LENT + of_all] = max(0, state[LENT + of_all] + after - before)
  if unit == COST and state[QUOTA] > 0 then state[LEFT] = min(state[QUOTA_LIMIT], state[LEFT] + returned) end
end
record[SEQUENCE], record[LEASED_UNTIL] = sequence, now + lease

if served > 0 and state[ALLOW] > 0 and now >= state[UNTIL] then
  local credit = min(served, state[PROBES])
  state[ALLOW], state[PROBES] = state[ALLOW] + credit, state[PROBES] - credit
  if credit > 0 and state[ALLOW] >= (state[CAP] > 0 and state[CAP] or FULL_SPEED) then state[ALLOW] = 0 end
end
if has_counter then
  state[COUNTED_AT] = max(state[COUNTED_AT], heard_at(counter_age))
  local limit, remaining, resets_in, settled_then, cost = said[11], said[12], said[13], said[14], said[15]
  local resets_at = now + resets_in
  local is_any = state[QUOTA] > 0
  local is_older = is_any and resets_at + SAME_RESET < state[RESETS_AT]
  local is_same = is_any and not is_older and resets_at <= state[RESETS_AT] + SAME_RESET
  local is_current = state[QUOTA] == 1
  if is_any and not is_older and limit == state[QUOTA_LIMIT] and (is_same or not is_current) then
    if not is_same or is_current then
      if settled_then > state[SETTLED] then settled_then = 0 end
      local outstanding = max(0, max(0, state[LENT] + state[SETTLED] - settled_then) - cost)
      state[LEFT] = min(max(state[LEFT], max(0, remaining - outstanding)), remaining)
      state[RESETS_AT] = is_same and min(state[RESETS_AT], resets_at) or resets_at
      state[QUOTA], state[PERIOD], state[REMAINING] = 1, max(state[PERIOD], resets_in), remaining
    end
  elseif not is_older then
    state[QUOTA], state[QUOTA_LIMIT], state[LEFT] = 1, limit, max(0, remaining - state[LENT])
    state[RESETS_AT], state[PERIOD], state[REMAINING] = resets_at, resets_in, remaining
  end
end
if note_closing then note_closing() end

if leaves then
  for unit = 0, 2 do
    local rest = record[M_LENT + 4 * unit]
    settle(unit, now, rest)
    state[LENT + 2 * unit] = max(0, state[LENT + 2 * unit] - rest)
    state[SETTLED + 2 * unit] = state[SETTLED + 2 * unit] + rest
  end
  state[LEASED] = state[LEASED] - call('ZREM', KEYS[2], me)
  call('ZREM', KEYS[3], me)
  call('HDEL', KEYS[1], 'm:' .. me)
  return finish(reply(DONE, 0))
end

-- A lease that is not there, of a member that is known and has not lapsed, was evicted.
if call('ZADD', KEYS[2], record[LEASED_UNTIL], me) == 1 then
  local has_lapsed = call('ZREM', KEYS[3], me) == 1
  if is_known and not has_lapsed then return forget_all() end
  state[LEASED] = state[LEASED] + 1
end
local leased = state[LEASED]
state[ENDS_AT] = min(state[ENDS_AT], record[LEASED_UNTIL])

-- Grants --------------------------------------------------------------------------------------------------------------

local function lend(unit, count)
  record[M_LENT + 4 * unit] = record[M_LENT + 4 * unit] + count
  state[LENT + 2 * unit] = state[LENT + 2 * unit] + count
  if unit == COST and state[QUOTA] > 0 then state[LEFT] = max(0, state[LEFT] - count) end
end

-- Takes places out of the oldest entries, lent from when they become free.
local function book(unit, wanted, groups)
  local binding = {}
  for _, window in ipairs(windows) do
    if binds(window, unit) then
      local _, limit = free_in(window)
      if window.sum + state[LENT + 2 * unit] > limit then return 0 end
      flush_last(window)
      window.oldest = nil
      binding[#binding + 1] = window
    end
  end
  if #binding == 0 then return 0 end
  local booked = 0
  for _ = 1, MOST_GROUPS do
    local count, from, taken_from = wanted - booked, 0, {}
    for _, window in ipairs(binding) do
      local free = free_in(window)
      if free > 0 then
        count = min(count, free)
      else
        if window.sum == 0 then return booked end
        window.oldest = window.oldest or entry(call('LINDEX', window.key, 0))
        if not window.oldest then return booked end
        count = min(count, window.oldest.count)
        from = max(from, window.oldest.at + window.length)
        taken_from[#taken_from + 1] = window
      end
    end
    if count == 0 then return booked end
    for _, window in ipairs(taken_from) do
      window.sum = window.sum - count
      window.oldest.count = window.oldest.count - count
      if window.oldest.count == 0 then
        call('LPOP', window.key)
        window.oldest = nil
      else
        call('LSET', window.key, 0, pack(window.oldest.at, window.oldest.count))
      end
    end
    booked = booked + count
    lend(unit, count)
    record[M_UNHEARD + 4 * unit] = record[M_UNHEARD + 4 * unit] + count
    record[BOOKED_UNTIL] = max(record[BOOKED_UNTIL], from)
    local ahead, size = max(0, from - now), #groups
    if size > 0 and groups[size - 1] == ahead then
      groups[size] = groups[size] + count
    else
      groups[size + 1], groups[size + 2] = ahead, count
    end
  end
  return booked
end

-- While it is unknown what other members have had: the share of each in the limits, less what this one has.
local function share_while_unknown(account)
  local is_returning = now < state[RETURNING_UNTIL]
  local members = max(state[REMEMBERED], is_returning and state[RETURNING] or 0, leased, 1)
  local share = UNLIMITED
  for _, window in ipairs(windows) do
    local has_forgotten = state[REMEMBERED] > 0 and now < state[BEGAN_AT] + max(window.length, lease)
    if binds(window, account.unit) and (is_returning or has_forgotten) then
      local _, limit = free_in(window)
      share = min(share, max(0, floor(limit / members) - account.in_window - account.held))
      -- One that was not heard of yet may have had nearly all. Within this time all are that are alive. A newcomer says
      -- nothing about it.
      local is_first_lap = now < state[BEGAN_AT] + floor(lease * 5 / 16)
      if has_forgotten and state[RETURNED] < state[REMEMBERED] and is_first_lap then share = 0 end
    end
  end
  return share
end

-- What each member may hold, if all hold as much.
-- Also returns whether not every member can have so much within one window.
local function equal_share(unit, first)
  local least = UNLIMITED
  for _, window in ipairs(windows) do
    if binds(window, unit) then
      local _, limit = free_in(window)
      least = min(least, limit)
    end
  end
  local share = floor(least / leased)
  return least == UNLIMITED and UNLIMITED or max(1, share), share < first
end

-- What an account may be granted: what is free, the most, the size of a portion, whether that is given in small steps,
-- and whether it is a probe.
local function offer(account)
  local unit, first = account.unit, account.first
  local free, limit = free_of(unit)
  local is_unknown = state[REMEMBERED] > 0 or now < state[RETURNING_UNTIL]
  local most = is_unknown and share_while_unknown(account) or UNLIMITED
  if now < state[STARVED_UNTIL + unit] then
    local share, has_fewer = equal_share(unit, first)
    most = min(most, max(0, max(share, first) - account.held))
    -- With fewer places than members they go round: who was served later waits.
    if has_fewer and record[SERVED_AT] > state[STARVED_SINCE + unit] then most = 0 end
  end
  local is_probing, is_cold = unit == COST and state[ALLOW] > 0, false
  if unit == COST and not limits_rate and state[QUOTA] == 0 then
    -- While no limit is known: 64 to all together, and as much more as was settled since. A dearer call goes alone.
    local settled = max(0, state[SETTLED] - state[COLD_SINCE])
    is_cold = settled < ENOUGH
    local room = max(0, AT_FIRST + settled - state[LENT])
    if state[LENT] == 0 then room = max(room, first) end
    if is_cold then most = min(most, room) end
  end
  if is_probing then
    local room = max(0, state[ALLOW] - state[LENT])
    local is_silent = state[GRANTED_AT] == 0 or now >= state[GRANTED_AT] + PROBE_PATIENCE
    if is_silent or state[LENT] == 0 then room = max(room, first, 1) end
    most = min(most, room)
  end
  if unit == COST and state[QUOTA] > 0 then most = min(most, left()) end
  local portion = max(1, first, floor((limit + 8 * leased - 1) / (8 * leased)), floor(free / (2 * leased)))
  return free, most, portion, is_probing or is_cold, is_probing
end

local function grant(account, groups)
  local unit, need = account.unit, account.need
  local free, most, portion, is_careful, is_probing = offer(account)
  local wanted = need
  if free > portion and not is_careful then wanted = min(MOST_COUNT, need + account.extra) end
  most = min(most, portion)
  local granted = min(wanted, free, most)
  if granted > 0 then
    lend(unit, granted)
    groups[1], groups[2] = 0, granted
    if is_probing then state[PROBES], state[GRANTED_AT] = state[PROBES] + granted, now end
  end
  local rest = min(need, most) - granted
  if rest > 0 and unit ~= IN_FLIGHT and not is_careful then granted = granted + book(unit, rest, groups) end
  if granted > 0 and state[STARVED_UNTIL + unit] > 0 and record[SERVED_AT] <= state[STARVED_SINCE + unit] then
    local _, has_fewer = equal_share(unit, account.first)
    if has_fewer then state[STARVED_UNTIL + unit] = 0 end
  end
  return granted
end

local function ask_again_in(unit)
  if now < state[UNTIL] then return state[UNTIL] - now end
  local shortest
  for _, window in ipairs(windows) do
    if window.unit == unit and window.length > 0 then shortest = min(shortest or UNLIMITED, window.length) end
  end
  local ask = unit == IN_FLIGHT and ASK_IN_FLIGHT or shortest and floor(shortest / 8) or ASK_SOON
  if unit == COST and state[ALLOW] > 0 then ask = min(ask, ASK_SOON) end
  if unit == COST and state[QUOTA] == 1 and state[LEFT] == 0 then
    local reset = max(0, state[RESETS_AT] - now)
    ask = shortest and min(ask, reset) or reset
  end
  return max(1, ask)
end

local grants, ask, has_served = {}, UNLIMITED, false
local is_closed = now < state[UNTIL]
-- All accounts are served, or none if the first call could not be sent yet. Of a single place there is no part.
local is_held_back = is_closed
if not is_closed and (#told > 1 or told[1].first > 1) then
  -- Whether the first call needs more than could be granted, free or booked.
  local function lacks(account)
    local unit = account.unit
    local free, most, portion, is_careful = offer(account)
    local wanted = min(account.need, most, portion)
    local granted = min(wanted, free)
    if unit ~= IN_FLIGHT and not is_careful then
      local bookable
      for _, window in ipairs(windows) do
        if binds(window, unit) then
          local _, limit = free_in(window)
          local is_over = window.sum + state[LENT + 2 * unit] > limit
          bookable = min(bookable or UNLIMITED, is_over and 0 or limit - state[LENT + 2 * unit])
        end
      end
      granted = max(granted, min(wanted, bookable or 0))
    end
    return granted < min(account.first, account.need)
  end

  for _, account in ipairs(told) do
    account.lacks = account.need > 0 and lacks(account)
    is_held_back = is_held_back or account.lacks
  end
end
for index, account in ipairs(told) do
  local groups, granted = {}, 0
  grants[index] = groups
  if account.need + account.extra > 0 and not is_held_back then granted = grant(account, groups) end
  has_served = has_served or granted > 0
  if granted == 0 and account.need > 0 and (is_closed or not is_held_back or account.lacks) then
    local again = ask_again_in(account.unit)
    ask = min(ask, again)
    -- A member that has less than its share got nothing: until it asks again, it goes before those that have more.
    local is_open = now >= state[UNTIL] and state[ALLOW] == 0
    local unit = account.unit
    local is_first = now >= state[STARVED_UNTIL + unit] or record[SERVED_AT] <= state[STARVED_SINCE + unit]
    if is_open and is_first and account.held < equal_share(unit, 0) then
      state[STARVED_UNTIL + unit], state[STARVED_SINCE + unit] = now + 2 * again, record[SERVED_AT]
    end
  end
end
if ask == UNLIMITED then ask = 0 end
if has_served then record[SERVED_AT] = now end

write('m:' .. me, pack(record))
return reply(DONE, ask, grants)
