%% Has the broker write into every message when it took it, as the plugin rabbitmq-message-timestamp does and as
%% RabbitMQ does by itself from 4.2 on (message_interceptors.incoming.set_header_timestamp).
-module(timestamp).
-behaviour(rabbit_channel_interceptor).
-include_lib("rabbit_common/include/rabbit.hrl").
-include_lib("rabbit_common/include/rabbit_framing.hrl").
-export([description/0, init/1, applies_to/0, intercept/3]).

description() -> [{description, <<"when the broker took a message">>}].

init(_Channel) -> undefined.

applies_to() -> ['basic.publish'].

intercept(#'basic.publish'{} = Method, Content, _State) ->
    Decoded = #content{properties = Properties} = rabbit_binary_parser:ensure_content_decoded(Content),
    Headers = case Properties#'P_basic'.headers of undefined -> []; Found -> Found end,
    Stamp = {<<"timestamp_in_ms">>, long, os:system_time(millisecond)},
    Stamped = Properties#'P_basic'{headers = [Stamp | Headers]},
    {Method, Decoded#content{properties = Stamped, properties_bin = none}};
intercept(Method, Content, _State) -> {Method, Content}.
