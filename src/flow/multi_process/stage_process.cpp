// SPDX-License-Identifier: Apache-2.0
#include "flow/multi_process/stage_process.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstring>

#include "core/printable.hpp"
#include "core/try.hpp"

namespace faceflow::internal::flow {
namespace {

using clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr int socket_number = 3;                           // the descriptor of a stage process's channel
constexpr auto start_patience = std::chrono::seconds(60);  // for one that uses no processor time
constexpr auto restart_window = std::chrono::seconds(10);

// Marks the process as busy during its lifetime.
class busy_mark {
public:
    explicit busy_mark(std::atomic<bool>& flag) : flag_(flag) { flag_.store(true, std::memory_order_release); }
    ~busy_mark() { flag_.store(false, std::memory_order_release); }
    busy_mark(const busy_mark&) = delete;

private:
    std::atomic<bool>& flag_;
};

std::uint16_t kind_of(stage_message m) {
    return static_cast<std::uint16_t>(m);
}

// The error code of a reply, clamped to known codes whatever the peer sent.
errc code_of(const stage_reply& reply) {
    return static_cast<errc>(std::min(reply.status - 1, static_cast<std::uint32_t>(errc::internal)));
}

}  // namespace

stage_process::stage_process(stage_setup setup)
    : setup_(std::move(setup)),
      watchdog_(setup_.patience, setup_.hello.threads()),
      budget_(static_cast<std::size_t>(std::max(setup_.restarts, 0)), restart_window) {}

stage_process::~stage_process() = default;

std::string stage_process::title() const {
    return fmt::format("the {} process", name(setup_.hello.role));
}

result<void> stage_process::open() {
    const std::lock_guard one(calls_);
    auto r = launch();
    if (!r) return r;
    r = greet();
    budget_.enter(r.has_value());
    for (; !r; r = restart()) {
        bool died = false;
        {
            const std::lock_guard lock(state_);
            // The channel closes a moment before the process is seen to have ended.
            const bool closed = channel_->closed();
            died = dead_ || child_->wait_for(clock::now() + std::chrono::seconds(closed ? 5 : 0)).has_value();
        }
        if (!died || !health()) return r;  // it refused to start, or has died too often
        reap(r.error().message);
    }
    return {};
}

result<void> stage_process::launch() {
    FACEFLOW_ASSIGN(auto ends, ipc::channel::make_pair());
    const std::array<std::string, 2> arguments{std::string(name(setup_.hello.role)), std::to_string(::getpid())};
    const std::array<ipc::inherited_fd, 1> inherited{{{ends.second.descriptor(), socket_number}}};
    FACEFLOW_ASSIGN(auto child,
                    setup_.spawn([&] { return ipc::child_process::spawn(setup_.program, arguments, inherited); }));
    channel_ = std::move(ends.first);
    slabs_announced_ = {};
    const std::lock_guard lock(state_);
    child_.emplace(std::move(child));
    dead_ = false;
    hung_.clear();
    return {};
}

// Greets the process; it answers once its models are loaded.
result<void> stage_process::greet() {
    const busy_mark busy(in_call_), starting(starting_);
    const std::string hello = to_json(setup_.hello);
    auto said = channel_->send(kind_of(stage_message::hello), std::as_bytes(std::span(hello)), {}, setup_.pages,
                               clock::now() + start_patience);
    if (!said) return said;
    std::vector<std::byte> text;
    auto answer = await_answer([&](const ipc::message& m) -> result<std::span<std::byte>> {
        text.resize(m.payload_bytes);
        return std::span(text);
    });
    if (!answer) return fail(answer.error().code, fmt::format("{} did not start: {}", title(), answer.error().message));
    if (answer->kind == kind_of(stage_message::reply)) {
        const auto reply = ipc::body_as<stage_reply>(*answer);  // it has done nothing yet, so no slices follow
        const auto code = reply && reply->status > 0 ? code_of(*reply) : errc::corrupt;
        return fail(code, fmt::format("{} refused to start: {}", title(),
                                      printable({reinterpret_cast<const char*>(text.data()), text.size()})));
    }
    if (answer->kind != kind_of(stage_message::ready))
        return fail(errc::corrupt, fmt::format("{} answered a greeting with {}", title(), answer->kind));
    FACEFLOW_ASSIGN(const auto theirs,
                    read_hello({reinterpret_cast<const char*>(answer->body.data()), answer->body.size()}));
    return {};
}

// Waits for the answer to the greeting, without a deadline while the process computes: neither the size of its models
// nor its share of the machine is known.
result<ipc::message> stage_process::await_answer(const ipc::channel::payload_target& buffer) {
    using namespace std::chrono_literals;
    std::chrono::nanoseconds idle{0}, before{0};
    for (auto slept = clock::now();; slept = clock::now()) {
        auto answer = channel_->receive(slept + 1s, max_stage_payload, buffer);
        if (answer || answer.error().code != errc::timeout) return answer;
        std::chrono::nanoseconds cpu{0};
        {
            const std::lock_guard lock(state_);
            if (child_) cpu = child_->cpu_time();
        }
        // Count at most the length of one check: this process itself may have been stopped meanwhile.
        idle = cpu == before ? idle + 1s : 0s;
        before = cpu;
        if (idle >= start_patience || cpu > start_patience * setup_.hello.threads()) return answer;
    }
}

// Call it holding `calls_`, once the process is known to be dead.
result<void> stage_process::restart() {
    if (auto r = budget_.spend(clock::now(), title(), last_end_); !r) {
        const std::lock_guard lock(state_);
        health_ = r;
        return r;
    }
    restarts_.fetch_add(1, std::memory_order_relaxed);
    setup_.note(fmt::format("{} ended ({}); starting it again", title(), last_end_));
    auto r = launch();
    if (r) r = greet();
    budget_.enter(r.has_value());
    if (!r) reap("did not start again: " + r.error().message);
    return r;
}

result<void> stage_process::share_slabs() {
    if (setup_.slabs == nullptr) return {};
    for (const auto& e : setup_.slabs->changes_since(slabs_announced_)) {
        const auto body = std::as_bytes(std::span(&e.facts, 1));
        std::vector<int> descriptors;
        if (e.memory != nullptr) descriptors.push_back(e.memory->get());
        const auto kind = e.memory != nullptr ? stage_message::map : stage_message::unmap;
        FACEFLOW_TRY(channel_->send(kind_of(kind), body, {}, descriptors, ipc::forever));
        slabs_announced_.add(e);
    }
    return {};
}

result<stage_response> stage_process::call(const stage_call& call, std::span<const vision::detection> faces,
                                           std::span<const std::span<const std::byte>> payload) {
    const std::lock_guard one(calls_);
    bool dead = false;
    {
        const std::lock_guard lock(state_);
        if (!health_) return tl::unexpected(health_.error());
        dead = dead_;
    }
    if (dead) {
        // Retry, as often as the restart budget allows; the frame waits.
        for (auto r = restart(); !r; r = restart()) {
            if (!health()) return tl::unexpected(r.error());
        }
    }
    if (call.buffer < max_in_flight) sent_[call.buffer].store(call.serial, std::memory_order_release);
    auto answer = [&] {
        const busy_mark busy(in_call_);
        return exchange(call, faces, payload);
    }();
    if (!answer) return lost(answer.error());
    enter(*answer);
    // Without shared memory, the work is done when the answer arrives.
    if (setup_.hello.buffers == 0) answered_.fetch_add(1, std::memory_order_release);
    if (answer->reply.status == 0) return answer;
    const auto code = code_of(answer->reply);
    const std::string text = printable({reinterpret_cast<const char*>(answer->payload.data()), answer->payload.size()});
    if (code != errc::device_lost) return fail(code, fmt::format("{}: {}", title(), text));
    // The process is about to exit. It lost its own context, not this process's.
    reap(text, true);
    return fail(errc::lost, fmt::format("{} ended with the frame in work: {}", title(), text));
}

// An error means that the channel is unusable.
result<stage_response> stage_process::exchange(const stage_call& call, std::span<const vision::detection> faces,
                                               std::span<const std::span<const std::byte>> payload) {
    FACEFLOW_TRY(share_slabs());
    std::vector<std::byte> body(sizeof call + faces.size_bytes());
    std::memcpy(body.data(), &call, sizeof call);
    if (!faces.empty()) std::memcpy(body.data() + sizeof call, faces.data(), faces.size_bytes());
    // A call needs no deadline: the watchdog kills a process that hangs, and that ends the call.
    FACEFLOW_TRY(channel_->send_parts(kind_of(stage_message::call), body, payload, {}, ipc::forever));
    auto answer = receive_reply();
    if (!answer) return answer;
    // The answer belongs to another call: later answers could not be matched either.
    if (auto r = check_reply(call, answer->reply, setup_.slabs); !r)
        return fail(r.error().code, fmt::format("{}: {}", title(), r.error().message));
    return answer;
}

result<stage_response> stage_process::receive_reply() {
    stage_response r;
    FACEFLOW_ASSIGN(auto m, channel_->receive(ipc::forever, max_stage_payload,
                                              [&](const ipc::message& head) -> result<std::span<std::byte>> {
                                                  r.payload.resize(head.payload_bytes);
                                                  return std::span(r.payload);
                                              }));
    if (m.body.size() < sizeof r.reply || m.kind != kind_of(stage_message::reply))
        return fail(errc::corrupt, fmt::format("{} sent no reply but a message of kind {}", title(), m.kind));
    std::memcpy(&r.reply, m.body.data(), sizeof r.reply);
    const auto rest = std::span(m.body).subspan(sizeof r.reply);
    if (r.reply.slices > max_slices || rest.size() != r.reply.slices * sizeof(stage_slice)) {
        return fail(errc::corrupt,
                    fmt::format("{} promised {} slices in {} bytes", title(), r.reply.slices, rest.size()));
    }
    r.slices.resize(r.reply.slices);
    if (!rest.empty()) std::memcpy(r.slices.data(), rest.data(), rest.size());
    return r;
}

void stage_process::enter(const stage_response& answer) {
    peak_bytes_.store(answer.reply.counters.peak_bytes, std::memory_order_relaxed);
    leases_.store(answer.reply.counters.leases, std::memory_order_relaxed);
    setup_.account(answer.reply.counters, answer.slices);
}

void stage_process::collect_counters() {
    const std::lock_guard one(calls_);
    {
        const std::lock_guard lock(state_);
        if (dead_) return;
    }
    const busy_mark busy(in_call_);
    bool more = true;
    // Slices that did not fit one reply come with the next. The limit guards against a peer that never finishes.
    for (int i = 0; more && i < 64; ++i) {
        auto answer = [&]() -> result<stage_response> {
            FACEFLOW_TRY(channel_->send(kind_of(stage_message::account), {}, {}, {}, ipc::forever));
            return receive_reply();
        }();
        if (!answer) {
            reap(answer.error().message);
            return;
        }
        enter(*answer);
        more = answer->slices.size() == max_slices;
    }
}

// Handles a channel that broke during a call.
tl::unexpected<error> stage_process::lost(const error& why) {
    reap(why.message);
    const std::lock_guard lock(state_);
    return fail(errc::lost, fmt::format("{} ended with the frame in work: {}", title(), last_end_));
}

// Makes sure that the process is dead and releases what it held: waiters for its work continue, and see that it was not
// done. Thread-safe.
void stage_process::reap(const std::string& how, bool said_why) {
    const std::lock_guard lock(state_);
    // Includes a call that began after the process had died.
    const auto take_back = [&] {
        for (std::uint32_t buffer = 0; buffer < max_in_flight && setup_.hello.buffers > buffer; ++buffer)
            raise(passed(buffer), sent_[buffer].load(std::memory_order_acquire));
    };
    if (dead_) {
        if (said_why) last_end_ = how;
        return take_back();
    }
    child_->kill();
    const auto ended = child_->wait_for(clock::now() + std::chrono::seconds(10));
    last_end_ = !hung_.empty() ? hung_ : ended && !said_why ? ended->in_words() : how;
    child_.reset();
    dead_ = true;
    leases_.store(0, std::memory_order_relaxed);
    take_back();
}

void stage_process::check_health(const std::function<bool(std::uint32_t buffer, std::uint64_t serial)>& ready) {
    bool gone = false, hung = false;
    {
        const std::lock_guard lock(state_);
        if (dead_) return;
        gone = child_->wait_for(clock::now()).has_value();
        hung = !gone && hangs(ready);
        if (hung) {
            // Killing the process closes its channel, which ends the call in progress.
            child_->kill();
        }
    }
    if (gone || hung) reap("it ended");
}

// Whether the process hangs while it has work; if so, sets `hung_` to the reason.
bool stage_process::hangs(const std::function<bool(std::uint32_t, std::uint64_t)>& ready) {
    watchdog::look now;
    now.at = clock::now();
    now.busy = in_call_.load(std::memory_order_acquire);
    for (std::uint32_t buffer = 0; buffer < setup_.hello.buffers; ++buffer) {
        const auto serial = sent_[buffer].load(std::memory_order_acquire);
        const bool behind = passed(buffer).value.load(std::memory_order_acquire) < serial;
        now.busy = now.busy || (behind && ready(buffer, serial));
        now.done += passed(buffer).value.load(std::memory_order_acquire);
    }
    now.done += answered_.load(std::memory_order_acquire);
    now.starting = starting_.load(std::memory_order_acquire);
    now.beat = (*setup_.own)[page_semaphores::beat].value.load(std::memory_order_acquire);
    now.process = child_->id();
    now.cpu = child_->cpu_time();
    const auto found = watchdog_.judge(now, [&] { return child_->activity().now; });
    if (found == watchdog::finding::lives) return false;
    hung_ = watchdog_.in_words(found);
    return true;
}

bool stage_process::completed(std::uint32_t buffer, std::uint64_t serial) const {
    return (*setup_.own)[page_semaphores::done(buffer)].value.load(std::memory_order_acquire) >= serial;
}

bool stage_process::sent(std::uint32_t buffer, std::uint64_t serial) const {
    return sent_[buffer].load(std::memory_order_acquire) >= serial;
}

result<void> stage_process::health() const {
    const std::lock_guard lock(state_);
    return health_;
}

}  // namespace faceflow::internal::flow
