use super::*;
use crate::model::BucketSetting::{Cors, Tagging};
use crate::service::ports::Cache;

#[tokio::test]
async fn settings_belong_to_their_bucket_and_survive_a_restart() {
    let (directory, cache) = fresh();
    let (one, two) = (bucket("one"), bucket("two"));
    let text = || Some("<a/>".to_owned());
    cache.set_setting(&one, Cors, text()).await.unwrap();
    cache
        .set_setting(&one, Tagging, Some("old".into()))
        .await
        .unwrap();
    cache
        .set_setting(&one, Tagging, Some("new".into()))
        .await
        .unwrap();
    cache.set_setting(&two, Cors, text()).await.unwrap();
    drop(cache);
    let cache = open(directory.path()).unwrap().namespace(&LOCAL).unwrap();
    assert_eq!(cache.setting(&one, Cors).await.unwrap(), text());
    assert_eq!(
        cache.setting(&one, Tagging).await.unwrap().as_deref(),
        Some("new")
    );
    assert_eq!(cache.setting(&two, Tagging).await.unwrap(), None);
    cache.set_setting(&one, Cors, None).await.unwrap();
    assert_eq!(cache.setting(&one, Cors).await.unwrap(), None);
    cache.forget_settings(&one).await.unwrap();
    assert_eq!(cache.setting(&one, Tagging).await.unwrap(), None);
    assert_eq!(cache.setting(&two, Cors).await.unwrap(), text());
}

#[tokio::test]
async fn a_bucket_that_nothing_is_known_of_has_no_settings() {
    let (_directory, cache) = fresh();
    let any = bucket("any");
    assert_eq!(cache.setting(&any, Cors).await.unwrap(), None);
    cache.set_setting(&any, Cors, None).await.unwrap();
    cache.forget_settings(&any).await.unwrap();
}
