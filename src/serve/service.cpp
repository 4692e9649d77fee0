// SPDX-License-Identifier: Apache-2.0
#include "serve/service.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "core/try.hpp"
#include "core/unique_fd.hpp"
#include "engine/outputs.hpp"
#include "media/picture.hpp"
#include "media/result_writer.hpp"

namespace faceflow::internal::serve {
namespace {

// Of posted pictures in the engine; those of sources are below.
constexpr std::uint32_t picture_number = service::max_sources;

result<void> check_name(std::string_view name) {
    constexpr std::size_t longest = 64;
    const bool known = std::ranges::all_of(name, [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
    });
    if (!name.empty() && name.size() <= longest && known && name != "." && name != "..") return {};
    return fail(errc::invalid_argument,
                fmt::format("'{}' cannot name a source: take 1 to {} letters, digits, '-', '_' and '.'",
                            name.substr(0, longest), longest));
}

tl::unexpected<error> unknown(std::string_view name) {
    return fail(errc::not_found, fmt::format("there is no source '{}'", name.substr(0, 64)));
}

// A picture's content as a file that has no name.
result<unique_fd> as_file(std::string_view content) {
    unique_fd file(::memfd_create("faceflow-picture", MFD_CLOEXEC));
    if (file.get() < 0) return fail(errc::io, "no memory for a picture");
    while (!content.empty()) {
        const auto written = ::write(file.get(), content.data(), content.size());
        if (written <= 0) return fail(errc::io, "no memory for a picture");
        content.remove_prefix(static_cast<std::size_t>(written));
    }
    return file;
}

}  // namespace

result<std::unique_ptr<service>> service::create(options chosen, std::function<void(const std::string&)> note) {
    std::unique_ptr<service> s(new service(std::move(note)));
    chosen.pacing = pacing::live;
    FACEFLOW_ASSIGN(
        s->engine_,
        face_engine::create({.chosen = std::move(chosen),
                             .on_result = [self = s.get()](const host_frame& f,
                                                           result<frame_faces> r) { self->handle(f, std::move(r)); },
                             .note = s->note_}));
    s->contents_ = contents_of(s->engine_->chosen());
    s->engine_->begin_source(picture_number);
    for (const std::string& line : s->engine_->notes())
        s->note_(line);
    return s;
}

service::~service() {
    std::vector<std::unique_ptr<served_source>> ended;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& p : places_)
            ended.push_back(std::move(p->source));
    }
    ended.clear();
    engine_->end_source(picture_number);
    engine_->drain();
    engine_.reset();
}

service::place* service::find(std::string_view name) {
    const auto at =
        std::ranges::find_if(places_, [&](const auto& p) { return p->source != nullptr && p->source->name() == name; });
    return at == places_.end() ? nullptr : at->get();
}

const service::place* service::find(std::string_view name) const {
    return const_cast<service*>(this)->find(name);
}

std::size_t service::free_place() {
    const auto at = std::ranges::find_if(places_, [](const auto& p) { return p->source == nullptr; });
    if (at == places_.end()) {
        places_.push_back(std::make_unique<place>());
        return places_.size() - 1;
    }
    return static_cast<std::size_t>(at - places_.begin());
}

result<source_status> service::add(source_request request) {
    FACEFLOW_TRY(check_name(request.name));
    if (request.input.empty()) return fail(errc::invalid_argument, "a source needs an input");
    const std::lock_guard change(changes_);
    served_source* made = nullptr;
    {
        const std::lock_guard lock(mutex_);
        if (find(request.name) != nullptr)
            return fail(errc::invalid_argument, fmt::format("there is a source '{}' already", request.name));
        const std::size_t number = free_place();
        if (number >= max_sources) {
            places_.pop_back();
            return fail(errc::unavailable, fmt::format("the service has {} sources, and no room for more", number));
        }
        place& p = *places_[number];
        p.source = std::make_unique<served_source>(std::move(request), static_cast<std::uint32_t>(number), p.line,
                                                   *engine_, note_);
        made = p.source.get();
    }
    if (auto started = made->start(); !started) {
        const std::lock_guard lock(mutex_);
        places_[made->number()]->source.reset();
        return tl::unexpected(std::move(started.error()));
    }
    return made->status();
}

result<void> service::remove(std::string_view name) {
    const std::lock_guard change(changes_);
    std::unique_ptr<served_source> ended;  // destroyed without the lock: its last frames still come in
    place* p = nullptr;
    {
        const std::lock_guard lock(mutex_);
        p = find(name);
        if (p == nullptr) return unknown(name);
        p->newest.reset();
        ended = std::move(p->source);
    }
    ended.reset();
    return {};
}

result<source_status> service::pause(std::string_view name, bool on) {
    const std::lock_guard lock(mutex_);
    const place* const p = find(name);
    if (p == nullptr) return unknown(name);
    p->source->pause(on);
    return p->source->status();
}

result<source_status> service::rename(std::string_view name, const std::string& to) {
    FACEFLOW_TRY(check_name(to));
    const std::lock_guard lock(mutex_);
    const place* const p = find(name);
    if (p == nullptr) return unknown(name);
    if (name != to && find(to) != nullptr)
        return fail(errc::invalid_argument, fmt::format("there is a source '{}' already", to));
    p->source->rename(to);
    return p->source->status();
}

result<source_status> service::status(std::string_view name) const {
    const std::lock_guard lock(mutex_);
    const place* const p = find(name);
    if (p == nullptr) return unknown(name);
    return p->source->status();
}

std::vector<source_status> service::sources() const {
    std::vector<source_status> all;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& p : places_) {
            if (p->source != nullptr) all.push_back(p->source->status());
        }
    }
    std::ranges::sort(all, {}, &source_status::name);
    return all;
}

result<frame_pointer> service::newest(std::string_view name) const {
    const std::lock_guard lock(mutex_);
    const place* const p = find(name);
    if (p == nullptr) return unknown(name);
    return p->newest;
}

std::uint64_t service::observe(observer o) {
    const std::lock_guard lock(observers_mutex_);
    observers_.emplace(next_observer_, std::move(o));
    return next_observer_++;
}

void service::unobserve(std::uint64_t which) {
    const std::lock_guard lock(observers_mutex_);
    observers_.erase(which);
}

void service::handle(const host_frame& f, result<frame_faces> faces) {
    if (f.id.source == picture_number) {
        answer_picture(f, std::move(faces));
        return;
    }
    auto made = std::make_shared<served_frame>();
    {
        const std::lock_guard lock(mutex_);
        place* const p = f.id.source < places_.size() ? places_[f.id.source].get() : nullptr;
        if (p == nullptr || p->source == nullptr) return;  // removed meanwhile
        p->source->took(f, faces);
        if (!faces) return;
        made->source = p->source->name();
        made->frame = f;
        made->faces = std::move(*faces);
        std::string row = media::ndjson_row(made->faces, made->source, contents_);
        row.pop_back();
        made->row = std::make_shared<const std::string>(std::move(row));
        p->newest = made;
    }
    const std::lock_guard lock(observers_mutex_);
    for (const auto& [number, tell] : observers_)
        tell(made);
}

void service::answer_picture(const host_frame& f, result<frame_faces> faces) {
    {
        const std::lock_guard lock(picture_mutex_);
        if (picture_.sequence != f.id.sequence) return;  // nobody waits for it any more
        picture_.answer = std::move(faces);
    }
    picture_done_.notify_all();
}

result<frame_faces> service::faces_of(std::string_view content, std::chrono::milliseconds patience) {
    const auto end = std::chrono::steady_clock::now() + patience;
    FACEFLOW_ASSIGN(const auto file, as_file(content));
    auto decoded = media::decode_picture(fmt::format("/proc/self/fd/{}", file.get()), {});
    if (!decoded) return fail(errc::corrupt, "the content is no picture that faceflow reads");
    const std::unique_lock turn(picture_turn_, end);
    if (!turn.owns_lock()) return fail(errc::timeout, "other pictures were before this one: try again later");
    host_frame f;
    f.picture = decoded->mapped.picture;
    f.owner = decoded->mapped.owner;
    f.still = true;
    f.captured = std::chrono::steady_clock::now();
    {
        const std::lock_guard lock(picture_mutex_);
        f.id = {picture_number, pictures_++};
        picture_ = {f.id.sequence, std::nullopt};
    }
    FACEFLOW_ASSIGN(const auto overtaken, engine_->submit(std::move(f)));
    static_cast<void>(overtaken);  // of a picture that nobody waits for any more
    std::unique_lock lock(picture_mutex_);
    if (!picture_done_.wait_until(lock, end, [this] { return picture_.answer.has_value(); }))
        return fail(errc::timeout, "the picture took too long: the engine is busy");
    return std::move(*picture_.answer);
}

}  // namespace faceflow::internal::serve
