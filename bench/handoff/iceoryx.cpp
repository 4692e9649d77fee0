// SPDX-License-Identifier: Apache-2.0
// Eclipse iceoryx: chunks loaned from shared memory, written in place, waited for by a WaitSet. Needs iox-roudi to run; a
// publisher waits for its subscriber when that one's queue is full.
#include <iceoryx_posh/popo/untyped_publisher.hpp>
#include <iceoryx_posh/popo/untyped_subscriber.hpp>
#include <iceoryx_posh/popo/wait_set.hpp>
#include <iceoryx_posh/runtime/posh_runtime.hpp>

#include "measure.hpp"

namespace {

using namespace handoff;

iox::capro::ServiceDescription service(pid_t of) {
    return {"faceflow", "handoff", iox::capro::IdString_t(iox::cxx::TruncateToCapacity, std::to_string(of))};
}

iox::popo::PublisherOptions publishing_options() {
    iox::popo::PublisherOptions o;
    o.subscriberTooSlowPolicy = iox::popo::ConsumerTooSlowPolicy::WAIT_FOR_CONSUMER;
    return o;
}

iox::popo::SubscriberOptions subscribing_options() {
    iox::popo::SubscriberOptions o;
    o.queueCapacity = 4;
    o.queueFullPolicy = iox::popo::QueueFullPolicy::BLOCK_PRODUCER;
    return o;
}

class publishing final : public sender {
public:
    explicit publishing(pid_t of) : publisher_(service(of), publishing_options()) {}
    bool send(const prepared& picture, std::uint64_t sequence) override {
        if (!publisher_.hasSubscribers()) return false;
        bool done = false;
        publisher_.loan(static_cast<std::uint32_t>(picture.pixels.size()), 64).and_then([&](void* chunk) {
            picture.write(static_cast<std::byte*>(chunk), sequence);
            publisher_.publish(chunk);
            done = true;
        });
        return done;
    }

private:
    iox::popo::UntypedPublisher publisher_;
};

class subscribed final : public receiver {
public:
    explicit subscribed(pid_t of) : subscriber_(service(of), subscribing_options()) {
        waiting_.attachState(subscriber_, iox::popo::SubscriberState::HAS_DATA).or_else([](auto) { std::exit(1); });
    }
    ~subscribed() override { waiting_.detachState(subscriber_, iox::popo::SubscriberState::HAS_DATA); }
    got next() override {
        chunk_ = nullptr;
        waiting_.timedWait(iox::units::Duration::fromMilliseconds(100));
        subscriber_.take().and_then([&](const void* chunk) { chunk_ = chunk; });
        if (chunk_ == nullptr) return {};
        const auto* const at = static_cast<const std::byte*>(chunk_);
        return {at, stamps_of(at)};
    }
    void release() override { subscriber_.release(chunk_); }

private:
    iox::popo::UntypedSubscriber subscriber_;
    iox::popo::WaitSet<1> waiting_;
    const void* chunk_ = nullptr;
};

void join(const char* role, pid_t of) {
    iox::runtime::PoshRuntime::initRuntime(
        iox::RuntimeName_t(iox::cxx::TruncateToCapacity, std::string("handoff-") + role + std::to_string(of)));
}

}  // namespace

int main(int argc, char** argv) {
    const pid_t own = ::getpid();
    return run(
        argc, argv,
        [&](const order&, agreed&) {
            join("producer-", own);
            return std::make_unique<publishing>(own);
        },
        [&](const order&, agreed&) {
            join("consumer-", own);
            return std::make_unique<subscribed>(own);
        });
}
