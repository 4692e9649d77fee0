// SPDX-License-Identifier: Apache-2.0
// The public engine: a thin layer over face_engine that delivers results by callback or through next().
#include "faceflow/faceflow.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "core/thread.hpp"
#include "core/try.hpp"
#include "engine/engine.hpp"

namespace faceflow {

using namespace internal;

std::string version() {
    return FACEFLOW_VERSION;
}

namespace {
constexpr std::size_t max_waiting_results = 256;
constexpr std::size_t max_notes = 100;

// The caller's memory behind a pushed picture. Only when push returns is it known whether the picture was accepted, and
// the engine may be done with it earlier: then push calls `release` itself. If the picture was refused, `release` is
// never called.
class borrowed {
public:
    explicit borrowed(std::function<void()> release) : release_(std::move(release)) {}
    void engine_is_done() { settle(fate::done, fate::taken); }
    void taken() { settle(fate::taken, fate::done); }
    void refused() { fate_.store(fate::refused); }

private:
    enum class fate : std::uint8_t { open, taken, done, refused };
    // The second caller of settle calls `release`.
    void settle(fate mine, fate others) {
        fate seen = fate::open;
        if (!fate_.compare_exchange_strong(seen, mine) && seen == others) release_();
    }
    std::function<void()> release_;
    std::atomic<fate> fate_{fate::open};
};

}  // namespace

struct engine::impl {
    callback on_faces;
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<result<frame_faces>> waiting;
    std::size_t pushed_without_result = 0;  // pull mode: neither waiting nor handed over
    std::map<std::uint32_t, frame_id> next_ids;
    std::mutex notes_mutex;
    std::vector<std::string> notes;  // notes since the engine was made
    tally callback_errors;
    std::unique_ptr<face_engine> core;  // last: its threads use all of the above

    ~impl() {
        if (core) core->drain();
    }

    void note(std::string text) {
        const std::lock_guard lock(notes_mutex);
        if (notes.size() < max_notes) notes.push_back(std::move(text));
    }

    void hand_over(result<frame_faces> r) {
        if (on_faces) {
            const auto called = caught("handing over a result", [&] { on_faces(std::move(r)); });
            if (!called && callback_errors.add("callback")) note("the callback threw: " + called.error().message);
            return;
        }
        {
            const std::lock_guard lock(mutex);
            waiting.push_back(std::move(r));
            --pushed_without_result;
        }
        changed.notify_all();
    }
};

engine::engine(std::unique_ptr<impl> i) : impl_(std::move(i)) {}
engine::engine(engine&&) noexcept = default;
engine& engine::operator=(engine&&) noexcept = default;
engine::~engine() = default;

result<engine> engine::create(const options& chosen, callback on_faces) {
    auto i = std::make_unique<impl>();
    i->on_faces = std::move(on_faces);
    FACEFLOW_ASSIGN(i->core, face_engine::create({chosen,
                                                  [self = i.get()](const host_frame&, result<frame_faces> faces) {
                                                      self->hand_over(std::move(faces));
                                                  },
                                                  false, nullptr,
                                                  [self = i.get()](const std::string& text) { self->note(text); }}));
    return engine(std::move(i));
}

result<frame_id> engine::push(const image& picture, std::int64_t pts_ns, std::uint32_t source,
                              std::function<void()> release) {
    host_frame f;
    {
        const std::lock_guard lock(impl_->mutex);
        if (!impl_->on_faces && impl_->pushed_without_result + impl_->waiting.size() >= max_waiting_results) {
            return fail(errc::unavailable,
                        "256 results are on the way or wait to be asked for: call next() before pushing more");
        }
        auto& id = impl_->next_ids[source];
        id.source = source;
        f.id = id;
        ++id.sequence;
        ++impl_->pushed_without_result;
    }
    f.picture = picture;
    f.pts_ns = pts_ns;
    f.captured = std::chrono::steady_clock::now();
    std::shared_ptr<borrowed> memory;
    if (release) {
        memory = std::make_shared<borrowed>(std::move(release));
        f.owner =
            std::shared_ptr<const void>(picture.planes[0].data, [memory](const void*) { memory->engine_is_done(); });
    }
    const frame_id id = f.id;
    const auto overtaken = impl_->core->submit(std::move(f));
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->pushed_without_result -= overtaken.value_or(1);
    }
    impl_->changed.notify_all();
    if (memory) overtaken ? memory->taken() : memory->refused();
    if (!overtaken) return tl::unexpected(overtaken.error());
    return id;
}

result<std::optional<frame_faces>> engine::next() {
    const auto there = [&] { return !impl_->waiting.empty() || impl_->pushed_without_result == 0; };
    std::unique_lock lock(impl_->mutex);
    impl_->changed.wait(lock, there);
    if (impl_->waiting.empty()) return std::nullopt;
    result<frame_faces> r = std::move(impl_->waiting.front());
    impl_->waiting.pop_front();
    if (!r) return tl::unexpected(std::move(r.error()));
    return std::optional<frame_faces>(std::move(*r));
}

void engine::finish() {
    impl_->core->drain();
}

engine_info engine::info() const {
    const options& o = impl_->core->chosen();
    engine_info i{{},
                  std::string(name(o.flow)),
                  std::string(name(o.inference)),
                  std::string(name(o.precision)),
                  impl_->core->notes()};
    for (const auto& d : impl_->core->devices()) {
        const std::string_view kind = name(d->kind());
        i.devices.push_back(d->kind() == device_kind::cpu ? std::string(kind) : fmt::format("{}:{}", kind, d->index()));
    }
    const std::lock_guard lock(impl_->notes_mutex);
    for (const auto& note : impl_->notes) {
        if (i.notes.size() >= max_notes) break;
        i.notes.push_back(note);
    }
    return i;
}

engine_counts engine::counts() const {
    const metrics& m = impl_->core->counters();
    engine_counts c{m.frames, m.faces, m.dropped.snapshot(), m.errors.snapshot()};
    for (const auto& [reason, n] : impl_->callback_errors.snapshot())
        c.errors[reason] += n;
    return c;
}

}  // namespace faceflow
