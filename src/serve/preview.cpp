// SPDX-License-Identifier: Apache-2.0
#include "serve/preview.hpp"

#include "core/thread.hpp"
#include "core/try.hpp"
#include "media/annotate.hpp"

namespace faceflow::internal::serve {
namespace {

constexpr int widest = 960;

result<std::string> encode(const served_frame& f) {
    if (f.frame.picture.planes[0].data == nullptr) return fail(errc::unsupported, "the picture is on a device alone");
    FACEFLOW_ASSIGN(const auto small, media::scaled_down(f.frame.picture, widest));
    FACEFLOW_ASSIGN(const auto packet, media::encode_picture(small, false));
    return std::string(reinterpret_cast<const char*>(packet->data), static_cast<std::size_t>(packet->size));
}

}  // namespace

preview_encoder::preview_encoder(service& of) : of_(of) {
    observer_ = of_.observe([this](const frame_pointer& f) { take(f); });
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

preview_encoder::~preview_encoder() {
    of_.unobserve(observer_);
    thread_.request_stop();
    thread_.join();
}

std::uint64_t preview_encoder::look_at(std::string source, viewer v) {
    {
        const std::lock_guard lock(mutex_);
        ++viewers_[source];
    }
    const std::lock_guard lock(looks_mutex_);
    looks_.emplace(next_, look{std::move(source), std::move(v)});
    return next_++;
}

void preview_encoder::leave(std::uint64_t which) {
    std::string source;
    {
        const std::lock_guard lock(looks_mutex_);
        const auto at = looks_.find(which);
        if (at == looks_.end()) return;
        source = at->second.source;
        looks_.erase(at);
    }
    const std::lock_guard lock(mutex_);
    if (--viewers_[source] > 0) return;
    viewers_.erase(source);
    waiting_.erase(source);
}

void preview_encoder::take(const frame_pointer& f) {
    {
        const std::lock_guard lock(mutex_);
        if (!viewers_.contains(f->source)) return;
        waiting_[f->source] = f;
    }
    changed_.notify_one();
}

void preview_encoder::run(const std::stop_token& stop) {
    std::string last;
    for (;;) {
        frame_pointer next;
        {
            std::unique_lock lock(mutex_);
            if (!changed_.wait(lock, stop, [this] { return !waiting_.empty(); })) return;
            auto at = waiting_.upper_bound(last);  // in turn
            if (at == waiting_.end()) at = waiting_.begin();
            last = at->first;
            next = std::move(at->second);
            waiting_.erase(at);
        }
        const auto made = caught_result("encoding a preview", [&] { return encode(*next); });
        if (made) show(std::make_shared<const preview>(preview{next, *made}));
    }
}

void preview_encoder::show(const preview_pointer& p) {
    const std::lock_guard lock(looks_mutex_);
    for (const auto& [number, l] : looks_) {
        if (l.source == p->of->source) l.show(p);
    }
}

}  // namespace faceflow::internal::serve
